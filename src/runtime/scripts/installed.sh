# Lists the marks of the install commands that have succeeded in this pod.
for mark in /var/lib/pinacle/installed/*; do
    [ ! -f "$mark" ] || echo "${mark##*/}"
done
