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

@test "an image that was not built, and an unknown stage, are refused before anybody is asked" {
    run "$root/infra/image/push" staging
    refused 'target/oci/fieldfuze.tar is not there: infra/image/build makes it'
    run "$root/infra/image/push" prod
    refused "unknown stage 'prod': staging or production"
}
