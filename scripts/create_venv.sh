#!/bin/sh
# Create the virtual environment $1 with the first Python that can: version 3.11 or newer, with venv and ensurepip.
# PYTHON names one Python, and then no other is tried. Says what was found when none will do.
set -eu

venv=$1
found=""

# Print "ok", or why this Python will not do; fail where it does not run at all.
judge() {
    "$1" - 2>/dev/null <<'PYTHON'
import importlib.util, platform, sys
if sys.version_info < (3, 11):
    print(f"is {platform.python_version()}, 3.11 or newer is needed")
elif missing := [name for name in ("venv", "ensurepip") if importlib.util.find_spec(name) is None]:
    print(f"is {platform.python_version()} without {' and '.join(missing)}; on Debian: apt-get install python3-venv")
else:
    print("ok")
PYTHON
}

set -- python3.13 python3.12 python3.11 python3 python
if [ -n "${PYTHON:-}" ]; then
    set -- "$PYTHON"
fi
for python; do
    command -v "$python" >/dev/null 2>&1 || continue
    verdict=$(judge "$python") || verdict="does not run"
    if [ "$verdict" = ok ]; then
        echo "creating $venv with $python ($("$python" -V 2>&1))"
        exec "$python" -m venv --clear "$venv"
    fi
    found="$found
  $(command -v "$python") $verdict"
done

echo "No Python 3.11 or newer that can make a virtual environment. Found:${found:-
  none of $*}
Install one, or name it: make PYTHON=/path/to/python ..." >&2
exit 1
