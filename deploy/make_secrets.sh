#!/bin/sh
# Makes the secrets of docker-compose.yml, one file each: random passwords of Redis and ClickHouse, and the vendor's token
# from TUSHARE_TOKEN or asked for. What is there already stays.
#
# Usage: sh deploy/make_secrets.sh [FOLDER]     (deploy/secrets when left out)
# Only this user enters the folder; in it the files can be read by all, for a container's user is another one.
set -eu
folder="${1:-$(dirname "$0")/secrets}"
umask 022
mkdir -p "$folder"
chmod 700 "$folder"

keep() {
    printf '%s' "$2" >"$folder/$1.new"
    chmod 444 "$folder/$1.new"
    mv "$folder/$1.new" "$folder/$1"
    echo "made $folder/$1"
}
for name in redis_password clickhouse_password; do
    [ -s "$folder/$name" ] || keep "$name" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"
done
if [ ! -s "$folder/tushare_token" ]; then
    if [ -z "${TUSHARE_TOKEN:-}" ]; then
        [ -t 0 ] || { echo "make_secrets.sh: TUSHARE_TOKEN is not set, and there is nobody to ask." >&2; exit 1; }
        printf 'Token of the vendor (Tushare): '
        stty -echo
        read -r TUSHARE_TOKEN
        stty echo
        echo
    fi
    [ -n "$TUSHARE_TOKEN" ] || { echo "make_secrets.sh: the token is empty." >&2; exit 1; }
    keep tushare_token "$TUSHARE_TOKEN"
fi
