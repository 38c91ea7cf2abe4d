# For every interactive shell in the pod: the user's environment, and a prompt that says where one is.
[ ! -r /etc/pinacle/environment ] || . /etc/pinacle/environment
PS1='\[\e[36m\]\w\[\e[0m\] \$ '
