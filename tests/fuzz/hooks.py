"""What the document cannot tell the fuzzer: a token, real ids, tags and page tokens, and values that are right only in
the world outside (numbering plans, time zones, domains).

Requests are changed just before they are sent. What is put in is chosen by a checksum of what was generated and not
drawn, so that the seed alone decides.
"""

import datetime
import itertools
import json
import os
import re
import zlib

import requests
import schemathesis
from hypothesis import strategies as st

URL = os.environ["FIELDFUZE_URL"]
ADMINISTRATOR = {"identifier": "admin@fieldfuze.local", "password": os.environ["FIELDFUZE_ADMIN_PASSWORD"]}

# Seconds that a request of the hooks may take.
TIMEOUT = 30

# Of each kind so many are there at the start; whoever is erased or retired is replaced.
AT_LEAST = 3

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PAGE_TOKEN = re.compile(r"[A-Za-z0-9_-]{39,2048}")
TAG = re.compile(r'\*|"[0-9]{1,19}(\.[A-Za-z0-9_-]{43})?"')
TOKENS = re.compile(r"[a-z0-9#@, -]+@[0-9]+")
KEY = re.compile(r"[\x21-\x7e]{1,255}")
HASH = re.compile(r"\$(argon2(id|i|d)|scrypt|pbkdf2-sha(256|512)|2[abxy])\$[!-~]+")
KNOWN_HASH = "$2b$04$d48aSUVyoKKrqAhF2kMkZuZDJiHKOpOtdL7doz7RkqYprp.PZ2vJq"
TIME = re.compile(r"\d{4}(-\d\d-\d\dT.*)")
ERASED, RETIRED, CREATED = 410, 204, 201

# Requests that end the session of their own token, or all of its user's.
SIGNING_OUT = ("/v1/auth/logout", "/v1/me/sessions")

# Which kind of thing a path's parameter names.
KINDS = [("/v1/users/{id}", "id", "user"), ("/v1/roles/{id}", "id", "role"), ("/v1/notifications/{id}", "id", "notification"),
         ("/roles/{role_id}", "role_id", "role"), ("/v1/webhooks/", "notification_id", "notification")]

# --- values ---

# Every domain is IDNA's, every number of a plan, every zone of the data base: no pattern says that.
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LABEL = st.text(LETTERS + "0123456789", min_size=1, max_size=12)
schemathesis.openapi.format("idn-email", st.builds("{}@{}.example".format, LABEL, LABEL))
schemathesis.openapi.format("e164", st.builds("+1512{}{:06}".format, st.integers(2, 9), st.integers(0, 999_999)))
ZONES = ["UTC", "America/Chicago", "Europe/Berlin", "Asia/Kolkata"]
schemathesis.openapi.format("time-zone", st.sampled_from(ZONES))
schemathesis.openapi.format("language-tag", st.sampled_from(["en", "en-US", "de-DE", "zh-Hant-TW", "sr-Latn"]))


def choose(things, generated):
    """One of the things, always the same for the same generated value."""
    return things[zlib.crc32(repr(generated).encode()) % len(things)]


# --- the world as the hooks know it ---


class World:
    def __init__(self):
        self.number = itertools.count(1)
        self.session = requests.Session()
        answer = self.session.post(f"{URL}/v1/auth/login", json=ADMINISTRATOR, timeout=TIMEOUT)
        answer.raise_for_status()
        self.token = answer.json()["access_token"]
        self.session.headers["Authorization"] = f"Bearer {self.token}"
        self.seeded = {item["id"] for kind in ("users", "roles") for item in self.get(f"/v1/{kind}")["items"]}
        self.passer_by = {"identifier": "passer-by", "password": ADMINISTRATOR["password"]}
        answer = self.session.post(f"{URL}/v1/users", timeout=TIMEOUT, json={
            "email": "passer-by@example.com", "username": "passer-by", "first_name": "Ada", "last_name": "Lovelace",
            "phone": "+15125559999", "password": ADMINISTRATOR["password"]})
        answer.raise_for_status()
        # Ids come from earlier answers, too, and whoever signs out for the fuzzer must stay able to.
        self.seeded.add(answer.json()["id"])
        self.tags = {}
        self.ids = {"user": [], "role": [], "notification": []}
        self.consistency_tokens = []
        for kind in ("user", "role"):
            self.fill(kind)
        self.began = datetime.datetime.now(datetime.UTC).isoformat()[:19] + "Z"
        self.put_roles()
        self.notifications()

    def signed_in(self):
        """The token of somebody who may sign out."""
        answer = requests.post(f"{URL}/v1/auth/login", json=self.passer_by, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer.json()["access_token"]

    def get(self, path):
        answer = self.session.get(f"{URL}{path}", timeout=TIMEOUT)
        answer.raise_for_status()
        return answer.json()

    def fill(self, kind):
        """Makes new ones until there are enough."""
        while len(self.ids[kind]) < AT_LEAST:
            number = next(self.number)
            user = {"email": f"fuzz{number}@example.com", "username": f"fuzz{number}", "first_name": "Ada",
                    "last_name": "Lovelace", "phone": f"+1512555{number:04}"}
            role = {"name": f"Fuzzed {number}", "level": 1, "permissions": ["users:read"]}
            answer = self.session.post(f"{URL}/v1/{kind}s", json=user if kind == "user" else role, timeout=TIMEOUT)
            answer.raise_for_status()
            self.saw(answer.json()["id"], answer.headers)
            self.ids[kind].append(answer.json()["id"])

    def put_roles(self):
        for user, role in zip(self.ids["user"], self.ids["role"]):
            self.session.put(f"{URL}/v1/users/{user}/roles/{role}", timeout=TIMEOUT).raise_for_status()

    def notifications(self):
        """Waits until the projector has made the welcome messages: the list is asked again, up to a bound."""
        for _ in range(200):
            found = [item["id"] for item in self.get("/v1/notifications?page_size=200")["items"]]
            if len(found) >= AT_LEAST:
                self.ids["notification"] = found
                return
        raise AssertionError("no notification was ever listed")

    def saw(self, of, headers):
        """Keeps what an answer said of a version."""
        if "etag" in headers:
            self.tags[of] = headers["etag"]
        if "consistency-token" in headers:
            self.consistency_tokens = [*self.consistency_tokens[-20:], headers["consistency-token"]]

    def gone(self, of):
        for kind in ("user", "role"):
            if of in self.ids[kind]:
                self.ids[kind].remove(of)
                self.fill(kind)

    def page_token(self, path, query):
        """A real one of this list, if it has a second page."""
        span = {name: value for name, value in query.items() if name not in ("page_size", "page_token")}
        answer = self.session.get(f"{URL}{path}", params={"page_size": 1, **span}, timeout=TIMEOUT)
        return answer.json().get("next_page_token") if answer.ok else None


WORLD = World()


@schemathesis.auth()
class Bearer:
    def get(self, case, context):
        return WORLD.token

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


# --- bodies of many lines ---


@schemathesis.serializer("application/x-ndjson")
def one_line(context, value):
    """The document describes a line: the body has one, and an empty one, which counts for nothing."""
    return value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n\n"


@schemathesis.deserializer("application/x-ndjson")
def some_line(context, response):
    """Any line must fit the document; which one is checked follows from the answer."""
    return json.loads(choose(response.content.splitlines(), len(response.content)))


# --- requests ---


@schemathesis.hook
def before_call(context, case, kwargs):
    name_real_things(case)
    know_versions(case)
    # A key that was used for another request is 422: no schema tells which were.
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = f"{key[:200]}:{next(WORLD.number)}"
    go_on_with_pages(case)
    # Whoever signs out has just signed in: the fuzzer's own token must last.
    signs_out = case.method.upper() != "GET" and case.path.startswith(SIGNING_OUT)
    if signs_out and (case.headers or {}).get("Authorization") == f"Bearer {WORLD.token}":
        case.headers["Authorization"] = f"Bearer {WORLD.signed_in()}"
    # The document can only say that an end is a time; it must also be to come.
    if isinstance(case.body, dict) and isinstance(case.body.get("expires_at"), str):
        if time := TIME.fullmatch(case.body["expires_at"]):
            case.body["expires_at"] = f"2096{time[1].replace('02-29', '02-28')}"
    set_passwords(case)
    # What the fuzzer calls valid is not always so: its shortest texts keep to the pattern, and not to the format.
    zone = case.body.get("time_zone") if isinstance(case.body, dict) else None
    if isinstance(zone, str) and zone not in ZONES and case.meta is not None and case.meta.generation.mode.is_positive:
        case.body["time_zone"] = choose(ZONES, zone)
    # A moment of the past must not be to come: every other one is when the first users were there.
    query = case.query or {}
    if isinstance(query.get("at"), str) and (time := TIME.fullmatch(query["at"])):
        past = f"2020{time[1]}"
        query["at"] = choose([past, WORLD.began], query["at"])
    # To JSON Schema 2.0 is an integer, to our services it is none.
    if isinstance(case.body, dict) and isinstance(case.body.get("level"), float) and case.body["level"].is_integer():
        case.body["level"] = int(case.body["level"])


def set_passwords(case):
    """No schema says what is easily guessed, what is a hash, that one has either a password or a hash of one, and that a
    new password is another one."""
    body = case.body if isinstance(case.body, dict) else {}
    good = {"password": (15, "wind 7 over the grey harbour"), "new_password": (8, "rain 8 under the yellow bridge")}
    for name, (shortest, password) in good.items():
        if isinstance(body.get(name), str) and shortest <= len(body[name]) <= 128:
            body[name] = password
    if isinstance(body.get("password_hash"), str) and HASH.fullmatch(body["password_hash"]):
        body["password_hash"] = KNOWN_HASH
        if body.get("password") is not None:
            del body["password_hash"]


def name_real_things(case):
    """Three of four well-formed ids become real ones. The seeded administrator and their role are nobody's target."""
    for prefix, parameter, kind in KINDS:
        given = (case.path_parameters or {}).get(parameter)
        if prefix not in case.path or not isinstance(given, str) or not UUID.fullmatch(given):
            continue
        if given in WORLD.seeded or zlib.crc32(given.encode()) % 4:
            case.path_parameters[parameter] = choose(WORLD.ids[kind], given)


def know_versions(case):
    """Tags become the present one, three of four times; tokens real ones: no schema tells which versions exist. What
    the fuzzer calls valid is not always so: it thinks that it knows `If-Match`, and sends `0` for the shortest text."""
    headers, valid = case.headers or {}, case.meta is not None and case.meta.generation.mode.is_positive
    tag, token = headers.get("If-Match"), headers.get("Consistency-Token")
    current = WORLD.tags.get((case.path_parameters or {}).get("id"), "*")
    if isinstance(tag, str) and (TAG.fullmatch(tag) and zlib.crc32(tag.encode()) % 4 or valid and not TAG.fullmatch(tag)):
        headers["If-Match"] = current
    if isinstance(token, str) and (valid or TOKENS.fullmatch(token)):
        headers["Consistency-Token"] = choose(WORLD.consistency_tokens, token)


def go_on_with_pages(case):
    """A well-formed page token that we did not seal is 400: only real ones are."""
    token = (case.query or {}).get("page_token")
    if not isinstance(token, str) or not PAGE_TOKEN.fullmatch(token):
        return
    real = WORLD.page_token(case.formatted_path, case.query)
    if real:
        case.query["page_token"] = real
    else:
        del case.query["page_token"]


@schemathesis.hook
def after_call(context, case, response):
    of = (case.path_parameters or {}).get("id")
    headers = {name.lower(): values[0] for name, values in response.headers.items()}
    if response.status_code == CREATED:
        of = headers["location"].rsplit("/", 1)[1]
    if not isinstance(of, str):
        return
    WORLD.saw(of, headers)
    retired = case.method.upper() == "DELETE" and response.status_code == RETIRED
    if response.status_code == ERASED or retired or (case.path.endswith("/erase") and response.status_code == 200):
        WORLD.gone(of)


# --- checks of our own ---

# Headers that some answers of a kind have and others lack.
SOMETIMES = {"idempotent-replayed", "projection-lag"}


@schemathesis.check
def documented_headers_are_there(ctx, response, case):
    """A header that the document gives for a status is in the answer."""
    documented = answer_of(case, response).get("headers", {})
    # Nothing has a version where nothing was written.
    sometimes = SOMETIMES | ({"etag", "consistency-token"} if "validate_only" in (case.query or {}) else set())
    missing = [name for name in documented if name.lower() not in sometimes | set(response.headers)]
    assert not missing, f"headers that the document promises are missing: {missing}"


@schemathesis.check
def problem_code_is_documented(ctx, response, case):
    """The code of a problem stands in the description of its status, or in its example."""
    # 405 is an answer of the path and not of one of its operations.
    if "problem+json" not in response.headers.get("content-type", [""])[0] or response.status_code == 405:
        return
    code, about = response.json()["code"], str(answer_of(case, response))
    assert f"`{code}`" in about or f"'code': '{code}'" in about, f"{code} is not documented for {response.status_code}"


def answer_of(case, response):
    return case.operation.definition.raw.get("responses", {}).get(str(response.status_code), {})
