# Waits until the pod's own nginx answers. The name belongs to no pod, so nothing the user runs can answer for it.
until curl -fsS -m 5 -o /dev/null -H 'Host: proxy.invalid' http://127.0.0.1/; do sleep 0.1; done
