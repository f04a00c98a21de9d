# The hooks as CodeDeploy runs them, in the order of appspec.yml, with a docker, an aws, a systemctl, a curl and a sleep that
# write down how they were called. Docker has images, which it removes while no unit runs; units take a moment to stop.

readonly DIGEST=sha256:1111111111111111111111111111111111111111111111111111111111111111

setup() {
    bundle=$BATS_TEST_TMPDIR/bundle
    cp -r "$BATS_TEST_DIRNAME/.." "$bundle"
    echo "$DIGEST" >"$bundle/image.txt"
    export FIELDFUZE_ETC=$BATS_TEST_TMPDIR/etc FIELDFUZE_RUN=$BATS_TEST_TMPDIR/run CALLS=$BATS_TEST_TMPDIR/calls
    export FIELDFUZE_COMMON=$bundle/hooks/common.sh IMAGES=$BATS_TEST_TMPDIR/images STATES=$BATS_TEST_TMPDIR/states
    mkdir -p "$FIELDFUZE_ETC" "$BATS_TEST_TMPDIR/bin" "$IMAGES" "$STATES"
    touch "$IMAGES/of-before"
    for unit in command-api query-api projector; do echo active >"$STATES/fieldfuze@$unit"; done
    printf 'AWS_REGION=us-east-1\nREPOSITORY=123456789012.dkr.ecr.us-east-1.amazonaws.com/fieldfuze\nTELNYX_KEY_ID=telnyx\n' \
        >"$FIELDFUZE_ETC/instance"
    touch "$CALLS"
    fake docker 'case "$1 ${2:-}" in
        login*) cat >/dev/null ;;
        pull*) digest=${*: -1}; touch "$IMAGES/${digest##*:}" ;;
        "image prune") for image in "$IMAGES"/*; do
            grep --quiet --no-messages --fixed-strings "${image##*/}" "$FIELDFUZE_ETC/image" &&
                grep --quiet --no-messages --line-regexp active "$STATES"/* || rm "$image"
        done ;;
        esac'
    fake aws 'case $1 in
        ecr) echo token ;;
        secretsmanager) (($(grep --count "^aws secretsmanager" "$CALLS") > ${AWAY:-0})) && echo "${KEY-KEY1}" ;;
        esac'
    fake systemctl 'command=$1 state=inactive; shift
        case $command in
        is-active) [[ $(<"$STATES/${*: -1}") == active ]]; exit ;;
        restart) state=active ;;
        stop) [[ " $* " != *" --no-block "* ]] || state=deactivating ;;
        *) exit 0 ;;
        esac
        for unit in "$@"; do [[ $unit == -* ]] || echo "$state" >"$STATES/$unit"; done'
    fake sleep ''
    fake curl 'if [[ " ${REFUSE:-} " == *" ${*: -1} "* ]]; then echo "waiting for leases"; exit 22; fi'
    export PATH=$BATS_TEST_TMPDIR/bin:$PATH
}

fake() {
    printf '#!/usr/bin/env bash\necho "%s $*" >>"$CALLS"\n%s\n' "$1" "$2" >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
}

called() {
    grep --quiet --fixed-strings -- "$1" "$CALLS" || { cat "$CALLS"; return 1; }
}

not_called() {
    ! grep --fixed-strings -- "$1" "$CALLS"
}

# The scripts of appspec.yml, in their order.
hooks() {
    sed -n 's/^ *- location: //p' "$bundle/appspec.yml"
}

@test "a deployment stops, pulls by digest, starts three units and asks each whether it is ready" {
    while read -r hook; do
        run "$bundle/$hook"
        [ "$status" -eq 0 ] || { echo "$hook: $output"; false; }
    done < <(hooks)
    called "docker pull --quiet 123456789012.dkr.ecr.us-east-1.amazonaws.com/fieldfuze@$DIGEST"
    called 'docker login --username AWS --password-stdin 123456789012.dkr.ecr.us-east-1.amazonaws.com'
    [ "$(cat "$FIELDFUZE_ETC/image")" = "IMAGE=123456789012.dkr.ecr.us-east-1.amazonaws.com/fieldfuze@$DIGEST" ]
    called 'systemctl restart fieldfuze-secrets fieldfuze@command-api fieldfuze@query-api fieldfuze@projector'
    for port in 8081 8082 8083; do called "http://127.0.0.1:$port/readyz"; done
    # What is stopped is stopped before anything is pulled.
    [ "$(grep --line-number 'systemctl stop' "$CALLS" | tail -1 | cut -d: -f1)" -lt "$(grep --line-number 'docker pull' "$CALLS" | cut -d: -f1)" ]
    # The image that runs is there, and those of before are not.
    [ "$(ls "$IMAGES")" = "${DIGEST#sha256:}" ]
    called 'systemctl enable --quiet --now fieldfuze-logs.timer'
}

@test "what was stopped has stopped, not only begun to" {
    run "$bundle/hooks/stop"
    [ "$status" -eq 0 ]
    for unit in command-api query-api projector; do
        [ "$(cat "$STATES/fieldfuze@$unit")" = inactive ] || { cat "$CALLS"; false; }
    done
}

@test "images that cannot be removed fail nothing" {
    fake docker 'exit 1'
    run "$bundle/hooks/validate"
    [ "$status" -eq 0 ]
    [ "$output" = 'the images of before could not be removed' ]
}

@test "every file that appspec.yml names is in the bundle" {
    while read -r source; do [ -e "$bundle/$source" ] || { echo "$source"; false; }; done \
        < <(sed -n 's/^ *- source: //p' "$bundle/appspec.yml"; hooks)
}

@test "a tag instead of a digest is refused before anything is changed" {
    echo 'latest' >"$bundle/image.txt"
    run "$bundle/hooks/pull"
    [ "$status" -eq 1 ]
    [ "$output" = "image.txt must hold a digest (sha256:…), not 'latest'" ]
    not_called docker
    [ ! -e "$FIELDFUZE_ETC/image" ]
}

@test "an image that cannot be pulled leaves the instance as it is" {
    echo 'IMAGE=before' >"$FIELDFUZE_ETC/image"
    fake docker 'if [[ $1 == login ]]; then cat >/dev/null; fi; [[ $1 != pull ]]'
    run "$bundle/hooks/pull"
    [ "$status" -ne 0 ]
    [ "$(cat "$FIELDFUZE_ETC/image")" = 'IMAGE=before' ]
}

@test "an instance that was not set up is refused" {
    rm "$FIELDFUZE_ETC/instance"
    run "$bundle/hooks/pull"
    [ "$status" -eq 1 ]
    [[ $output == *'this instance was not set up' ]]
}

@test "nothing is started before an image was pulled" {
    run "$bundle/hooks/start"
    [ "$status" -eq 1 ]
    not_called systemctl
}

@test "a service that does not become ready fails the deployment and says why" {
    export REFUSE='http://127.0.0.1:8083/readyz' FIELDFUZE_READY_WITHIN=0
    run "$bundle/hooks/validate"
    [ "$status" -eq 1 ]
    [ "$output" = 'port 8083 was not ready within 0 s: waiting for leases' ]
}


@test "the key of Telnyx is written where only root reads it" {
    run "$bundle/bin/secrets"
    [ "$status" -eq 0 ]
    [ "$(cat "$FIELDFUZE_RUN/secrets")" = 'FIELDFUZE_TELNYX_API_KEY=KEY1' ]
    [ "$(stat --format=%a "$FIELDFUZE_RUN/secrets")" = 600 ]
    [ -z "$output" ]
}

@test "a Secrets Manager that is away for a moment is asked again, within the unit" {
    export AWAY=2
    run "$bundle/bin/secrets"
    [ "$status" -eq 0 ]
    [ "$(cat "$FIELDFUZE_RUN/secrets")" = 'FIELDFUZE_TELNYX_API_KEY=KEY1' ]
    [ "$(grep --count '^aws secretsmanager' "$CALLS")" -eq 3 ]
    # What requires the unit would not be started after it was started again.
    ! grep '^Restart' "$bundle/units/fieldfuze-secrets.service"
}

@test "the logs are looked at every hour, by rules that nobody else reads" {
    rules=$(sed -n 's/^ExecStart=.* //p' "$bundle/units/fieldfuze-logs.service")
    [ "$rules" = "$(sed -n 's/^ *destination: \(.*logrotate\)$/\1/p' "$bundle/appspec.yml")/fieldfuze" ]
    [[ $rules != /etc/logrotate.d/* ]]
    [ -e "$bundle/logrotate/fieldfuze" ]
    grep --quiet '^OnCalendar=hourly$' "$bundle/units/fieldfuze-logs.timer"
}

@test "a key that is none is refused, and not told" {
    export KEY='two words'
    run "$bundle/bin/secrets"
    [ "$status" -eq 1 ]
    [ "$output" = 'the secret telnyx holds no key' ]
    [ ! -e "$FIELDFUZE_RUN/secrets" ]
}

@test "units, limits and services are the same three" {
    [ "$(cd "$bundle/limits" && echo *)" = 'command-api projector query-api' ]
    for limits in "$bundle"/limits/*; do grep --quiet '^MEMORY=[0-9]*m$' "$limits"; grep --quiet '^CPU_SHARES=[0-9]*$' "$limits"; done
}
