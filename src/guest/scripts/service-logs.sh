# Prints the last $2 lines of the output of the service $1.
tail -n "$2" "/var/log/pinacle/$1/current"
