# `infra/stacks` and `infra/image/push` with an aws, an npx and a skopeo that only write down how they were called.

readonly DIGEST=sha256:1111111111111111111111111111111111111111111111111111111111111111

setup() {
    root=$BATS_TEST_TMPDIR/root
    mkdir -p "$root/infra/sites" "$root/infra/node_modules" "$root/infra/image" "$root/target/oci" "$BATS_TEST_TMPDIR/bin"
    cp "$BATS_TEST_DIRNAME/../stacks" "$root/infra/stacks"
    cp "$BATS_TEST_DIRNAME/../image/push" "$root/infra/image/push"
    export CALLS=$BATS_TEST_TMPDIR/calls LIST=pl-3b927c52
    touch "$CALLS"
    fake aws 'case $2 in describe-managed-prefix-lists) echo "$LIST" ;; get-caller-identity) echo 123456789012 ;; *) echo token ;; esac'
    fake npx ''
    fake git 'echo 0123456789ab'
    fake skopeo 'case $1 in login) cat >/dev/null ;; inspect) [[ -n ${THERE:-} ]] ;; esac'
    export PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

fake() {
    printf '#!/usr/bin/env bash\necho "%s $*" >>"$CALLS"\n%s\n' "$1" "$2" >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

refused() {
    [ "$status" -eq 2 ]
    [ "$output" = "$1" ] || { echo "$output"; false; }
    [ ! -s "$CALLS" ] || { cat "$CALLS"; false; }
}

@test "a deployment of the stacks tells them CloudFront's prefix list" {
    touch "$root/infra/sites/staging.json"
    run "$root/infra/stacks" deploy staging
    [ "$status" -eq 0 ]
    grep --quiet -- '--parameters Fieldfuze-staging-Network:CloudFrontPrefixList=pl-3b927c52' "$CALLS"
    grep --quiet -- 'npx cdk deploy --context stage=staging' "$CALLS"
}

@test "without that list nothing is deployed" {
    touch "$root/infra/sites/staging.json"
    LIST=None run "$root/infra/stacks" deploy staging
    [ "$status" -eq 2 ]
    [ "$output" = "the prefix list of CloudFront was not found: 'None'" ]
    ! grep 'npx' "$CALLS"
}

@test "an unknown command, an unknown stage, a site that is not described: each is refused at once" {
    run "$root/infra/stacks" apply staging
    refused 'unknown command apply: diff, deploy or destroy'
    run "$root/infra/stacks" deploy prod
    refused 'unknown stage prod: staging or production'
    run "$root/infra/stacks" deploy staging
    refused 'infra/sites/staging.json is not there: copy infra/sites/example.json and change it'
    run "$root/infra/stacks" deploy
    refused 'usage: infra/stacks (diff | deploy | destroy) STAGE'
}

@test "an image is pushed unchanged, once, and its digest is said" {
    touch "$root/target/oci/fieldfuze.tar"
    echo "$DIGEST" >"$root/target/oci/digest"
    run "$root/infra/image/push" staging
    [ "$status" -eq 0 ]
    [ "$output" = "$DIGEST" ]
    grep --quiet -- 'skopeo copy --quiet --preserve-digests oci-archive:target/oci/fieldfuze.tar docker://123456789012.dkr.ecr.us-east-1.amazonaws.com/fieldfuze-staging:0123456789ab' "$CALLS"
    : >"$CALLS"
    THERE=yes run "$root/infra/image/push" staging
    [ "$output" = "$DIGEST" ]
    ! grep 'skopeo copy' "$CALLS"
}

@test "Docker builds the image with a builder that writes archives, made once" {
    cp "$BATS_TEST_DIRNAME/../image/build" "$root/infra/image/build"
    fake cargo 'case "$1 ${2:-}" in
        build*) mkdir -p target/x86_64-unknown-linux-gnu/image
            for name in command-api query-api projector; do touch "target/x86_64-unknown-linux-gnu/image/$name"; done ;;
        "cyclonedx --version") echo "cargo-cyclonedx 0.5.9" ;;
        cyclonedx*) name=${*: -1}; mkdir -p "${name%.cdx}"; echo "{}" >"${name%.cdx}/$name.json" ;;
        esac'
    fake jq 'cat'
    fake install 'touch "${@: -1}"'
    fake docker 'case $2 in
        inspect) [[ -e $CALLS.builder ]] ;;
        create) touch "$CALLS.builder" ;;
        build) for option in "$@"; do [[ $option != type=oci,* ]] || archive=${option#*dest=}; done
            echo "sha256:1" >index.json && tar --create --file "${archive%%,*}" index.json ;;
        esac'
    for time in first second; do
        : >"$CALLS"
        run "$root/infra/image/build" docker
        [ "$status" -eq 0 ] || { echo "$output"; false; }
        grep --quiet -- 'docker buildx build --builder fieldfuze ' "$CALLS"
        [ "$(grep --count -- 'docker buildx create --name fieldfuze --driver docker-container' "$CALLS")" -eq "$([[ $time == first ]] && echo 1 || echo 0)" ]
    done
}

@test "an image that was not built, and an unknown stage, are refused before anybody is asked" {
    run "$root/infra/image/push" staging
    refused 'target/oci/fieldfuze.tar is not there: infra/image/build makes it'
    run "$root/infra/image/push" prod
    refused "unknown stage 'prod': staging or production"
}
