# For every interactive shell in the pod: a prompt with the folder, and the user's environment. stderr is dropped
# because bash complains of variables that it keeps read-only, such as UID.
PS1='\[\e[36m\]\w\[\e[0m\] \$ '
[ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment 2>/dev/null
