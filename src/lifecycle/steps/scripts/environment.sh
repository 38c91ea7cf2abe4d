# Stores the environment from stdin for every later command; whole or not at all, readable by root alone.
set -eu
umask 077
mkdir -p /etc/pinacle
touch /etc/pinacle/environment
cat >/etc/pinacle/environment.new
if cmp -s /etc/pinacle/environment.new /etc/pinacle/environment; then
    rm /etc/pinacle/environment.new
else
    mv /etc/pinacle/environment.new /etc/pinacle/environment
    echo written
fi
