#!/bin/sh
# every.sh SECONDS COMMAND...   the command again and again, SECONDS after it ended
# every.sh HH:MM COMMAND...     the command every day at that time (UTC unless TZ says otherwise)
# After a run that ended well DONE_FILE is touched: the health check looks at its age. Well is exit code 0, or one of DONE_CODES.
# A run that did not is tried again the next time. SIGTERM ends it, after the command has ended itself.
set -u
when=$1
shift
# What was started last may have ended long ago: then there is nothing to end.
trap 'if [ -n "${!:-}" ]; then kill -TERM "$!" 2>/dev/null && wait "$!"; fi; exit 0' TERM INT

pause() {
    sleep "$1" &
    wait "$!"
}

seconds_until() {
    now=$(date +%s)
    next=$(date -d "today $1" +%s)
    if [ "$next" -le "$now" ]; then next=$(date -d "tomorrow $1" +%s); fi
    echo $((next - now))
}

while :; do
    case $when in *:*) pause "$(seconds_until "$when")" ;; esac
    "$@" &
    wait "$!"
    code=$?
    case " ${DONE_CODES:-0} " in
    *" $code "*) touch "${DONE_FILE:-/tmp/done}" ;;
    *) echo "every.sh: exit code $code; tried again the next time" >&2 ;;
    esac
    case $when in *:*) ;; *) pause "$when" ;; esac
done
