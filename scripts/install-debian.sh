#!/bin/sh
# Installs what the build, the demo and the tests need beyond Rust, from the distribution: a C compiler (SQLite
# is compiled in), OpenLDAP's server and its command line tools, and with --mail, which the tests want, Postfix,
# the passwords file of Cyrus SASL, and Python, whose parser reads the mails. Does nothing where all is there.
#
# The system's own servers are not started and not configured: not now, and, where the packages came with this
# script, not at the next boot. The demo and the tests start servers of their own. No package is removed for them:
# where another mail server is installed, apt-get refuses Postfix, and says so.
set -eu

policy=/usr/sbin/policy-rc.d
disposable=$(mktemp)
trap 'rm -f "$disposable"' EXIT

links() { printf 'int main(void) { return 0; }\n' | cc -x c -o "$disposable" - 2>/dev/null; }

packages=
links || packages="$packages gcc libc6-dev"
[ -x /usr/sbin/slapd ] || packages="$packages slapd"
command -v ldapsearch >/dev/null || packages="$packages ldap-utils"
if [ "${1-}" = --mail ]; then
    [ -x /usr/lib/postfix/sbin/master ] || packages="$packages postfix"
    [ -x /usr/sbin/saslpasswd2 ] || packages="$packages sasl2-bin"
    ls /usr/lib/*/sasl2/libsasldb.so >/dev/null 2>&1 || packages="$packages libsasl2-modules-db"
    ls /usr/lib/*/sasl2/libplain.so >/dev/null 2>&1 || packages="$packages libsasl2-modules"
    python3 -c 'import email.policy, html.parser' 2>/dev/null || packages="$packages python3"
fi
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

# The services that come with the packages, by the names of their init scripts.
services=
case $packages in *slapd*) services="$services slapd" ;; esac
case $packages in *postfix*) services="$services postfix" ;; esac
case $packages in *sasl2-bin*) services="$services saslauthd" ;; esac

echo "Installing:$packages"

# Packages ask this program before they start a service (see invoke-rc.d(8)); 101 forbids it.
if [ ! -e "$policy" ]; then
    trap 'as_root rm -f "$policy"; rm -f "$disposable"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\n# Placed by dirherald while it installs packages.\nexit 101\n' >"$disposable"
    as_root install -m 755 "$disposable" "$policy"
else
    for service in $services; do
        answer=0
        "$policy" "$service" start >/dev/null 2>&1 || answer=$?
        [ "$answer" = 101 ] && continue
        echo "$policy lets packages start their services, and dirherald must not start the system's $service." >&2
        echo "Please install by hand:$packages" >&2
        exit 1
    done
fi

as_root apt-get update -qq
case $packages in
    *postfix*)
        # Without an answer the package would ask, and its default is a mail server that is open to the network.
        echo 'postfix postfix/main_mailer_type select No configuration' | as_root debconf-set-selections
        ;;
esac
as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends --no-remove \
    -o DPkg::Lock::Timeout=300 $packages

for service in $services; do
    # It complains of a missing unit file where the service is an init script, and disables it all the same.
    as_root update-rc.d "$service" disable 2>/dev/null
    echo "A package was installed for its program; its service $service is disabled."
done
