# Starts a server of PostgreSQL in a directory of its own, as the process that runs this.
# $1 is the directory, $2 the port, the rest are options of the server.
#
# Debian has the programs where no PATH leads. Postgres does not run as root: root starts it as the
# user postgres, or as nobody.
dir=$1 port=$2
shift 2
bin=$(dirname "$(command -v postgres || ls /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)")
as=
if [ "$(id -u)" = 0 ]; then
    user=$(id -un postgres 2>/dev/null || echo nobody)
    as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
    # initdb writes to /dev/null, and in some containers only root may.
    $as sh -c ': >/dev/null' 2>/dev/null ||
        as="$as --inh-caps=+dac_override --ambient-caps=+dac_override"
    chown "$user" "$dir"
fi
cd "$dir" || exit 1
if [ ! -f data/PG_VERSION ]; then
    $as "$bin/initdb" -D data -U kisflow -A trust -E UTF8 --no-locale -N >initdb.log 2>&1 || {
        cat initdb.log >&2
        exit 1
    }
fi
exec $as "$bin/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c max_connections=200 "$@"
