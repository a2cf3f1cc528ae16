#!/bin/sh
# Installs what the build, the demo and the tests need beyond Rust, from the distribution: a C compiler (SQLite
# is compiled in), OpenLDAP's server and its command line tools. Does nothing where all is there.
#
# The system's own slapd is not started: not now, and, where the package came with this script, not at the next
# boot. The demo and the tests start servers of their own.
set -eu

policy=/usr/sbin/policy-rc.d
disposable=$(mktemp)
trap 'rm -f "$disposable"' EXIT

links() { printf 'int main(void) { return 0; }\n' | cc -x c -o "$disposable" - 2>/dev/null; }

packages=
links || packages="$packages gcc libc6-dev"
[ -x /usr/sbin/slapd ] || packages="$packages slapd"
command -v ldapsearch >/dev/null || packages="$packages ldap-utils"
[ -n "$packages" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Not found, and no apt-get to install it with:$packages (these are Debian's names)" >&2
    exit 1
fi
if [ "$(id -u)" = 0 ]; then
    as_root() { "$@"; }
elif command -v sudo >/dev/null; then
    as_root() { sudo "$@"; }
else
    echo "Not installed, and neither root nor sudo to install it with:$packages" >&2
    exit 1
fi

echo "Installing:$packages"

# Packages ask this program before they start a service (see invoke-rc.d(8)); 101 forbids it.
if [ ! -e "$policy" ]; then
    trap 'as_root rm -f "$policy"; rm -f "$disposable"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\n# Placed by dirherald while it installs packages.\nexit 101\n' >"$disposable"
    as_root install -m 755 "$disposable" "$policy"
else
    answer=0
    "$policy" slapd start >/dev/null 2>&1 || answer=$?
    case "$answer$packages" in
        101*) ;;
        *slapd*)
            echo "$policy lets packages start their services, and dirherald must not start the system's slapd." >&2
            echo "Please install by hand:$packages" >&2
            exit 1
            ;;
    esac
fi

as_root apt-get update -qq
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 $packages

case $packages in
    *slapd*)
        # It complains of a missing unit file where the service is an init script, and disables it all the same.
        as_root update-rc.d slapd disable 2>/dev/null
        echo "The package slapd was installed for its program; its service is disabled."
        ;;
esac
