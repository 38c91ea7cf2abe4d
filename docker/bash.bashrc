# For every interactive shell in the pod: a prompt that says where one is, and the user's environment. Bash keeps some
# names, such as UID, to itself, and would complain of each.
PS1='\[\e[36m\]\w\[\e[0m\] \$ '
[ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment 2>/dev/null
