# shellcheck shell=bash
# What the hooks share. An instance's settings are in /etc/fieldfuze, where its first start has written them.

# Tests put it elsewhere.
ETC=${FIELDFUZE_ETC:-/etc/fieldfuze}

# The units of the three services.
# shellcheck disable=SC2034 # the hooks use it
UNITS=(fieldfuze@command-api fieldfuze@query-api fieldfuze@projector)

fail() {
    echo "$*" >&2
    exit 1
}

# Sets AWS_REGION, REPOSITORY and TELNYX_KEY_ID.
settings() {
    [[ -r $ETC/instance ]] || fail "$ETC/instance cannot be read: this instance was not set up"
    # shellcheck disable=SC1091 # written by the instance's first start
    source "$ETC/instance"
    export AWS_REGION
    [[ -n ${REPOSITORY:-} ]] || fail "$ETC/instance names no REPOSITORY"
}
