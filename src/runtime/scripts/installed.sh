# Lists the marks of the install commands that have succeeded in this pod.
[ ! -d /var/lib/pinacle/installed ] || ls /var/lib/pinacle/installed
