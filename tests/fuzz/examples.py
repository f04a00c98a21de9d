"""Says which examples of an OpenAPI document (the file that is named) do not fit their own schema, and fails if any."""

import json
import sys

import jsonschema_rs


def bodies(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            answers = [(f"answer {status}", answer) for status, answer in operation["responses"].items()]
            for name, part in [("request", operation.get("requestBody", {})), *answers]:
                for content in part.get("content", {}).values():
                    yield f"{method} {path}: {name}", content


def shown(document, content):
    """The example of a body: its own, or its schema's."""
    schema = content["schema"]
    named = document["components"]["schemas"].get(schema.get("$ref", "").rsplit("/", 1)[-1], {})
    return next((of["example"] for of in (content, schema, named) if "example" in of), None)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    wrong, count = [], 0
    for place, content in bodies(document):
        if (example := shown(document, content)) is None:
            continue
        count += 1
        schema = {**content["schema"], "components": document["components"]}
        errors = jsonschema_rs.Draft202012Validator(schema, validate_formats=True).iter_errors(example)
        wrong += [f"{place}: {error.message}" for error in errors]
    print("\n".join(wrong) if wrong else f"{count} examples fit their schemas")
    sys.exit(bool(wrong))


main()
