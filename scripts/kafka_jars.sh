#!/bin/sh
# Fetches Apache Kafka for the tests, through Maven as this machine has it configured; prints the directory of the jars.
#
# Usage: sh scripts/kafka_jars.sh [DIR]    (DIR: by default the user's cache, as tests/support/kafka_server.py looks for it)
# The directory appears whole or not at all, so a fetch that was interrupted is simply run again.
set -eu

version="${GINKGO_TEST_KAFKA_VERSION:-4.1.1}"
target="${1:-${XDG_CACHE_HOME:-$HOME/.cache}/ginkgo-data-tests/kafka-$version}"

if [ -d "$target" ]; then
    echo "$target"
    exit 0
fi
command -v mvn >/dev/null || { echo "kafka_jars.sh: needs Maven (mvn), which is not on PATH." >&2; exit 1; }

mkdir -p "$(dirname "$target")"
work="$(mktemp -d "$target.XXXXXX")"
trap 'rm -rf "$work"' EXIT INT TERM

dependency() {
    echo "<dependency><groupId>$1</groupId><artifactId>$2</artifactId><version>$3</version></dependency>"
}
# The broker does not depend on a logger; without one it starts, and says nothing about why it does not.
cat >"$work/pom.xml" <<POM
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>ginkgo.tests</groupId>
  <artifactId>kafka-jars</artifactId>
  <version>1</version>
  <dependencies>
    $(dependency org.apache.kafka kafka_2.13 "$version")
    $(dependency org.apache.logging.log4j log4j-slf4j-impl 2.24.3)
    $(dependency org.apache.logging.log4j log4j-core 2.24.3)
  </dependencies>
</project>
POM

attempt=1
until mvn -q -B -f "$work/pom.xml" dependency:copy-dependencies -DoutputDirectory="$work/jars" -DincludeScope=runtime >&2; do
    [ "$attempt" -lt 3 ] || { echo "kafka_jars.sh: Maven could not fetch Kafka $version in 3 attempts." >&2; exit 1; }
    attempt=$((attempt + 1))
    sleep 5
done
[ -n "$(find "$work/jars" -name "kafka_2.13-$version.jar")" ] || { echo "kafka_jars.sh: Maven gave no broker." >&2; exit 1; }
mv -T "$work/jars" "$target" 2>/dev/null || [ -d "$target" ]
echo "$target"
