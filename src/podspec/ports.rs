//! The rules of ports: no two share a name, or a number and protocol.

use super::{
    config::{PortConfig, Protocol},
    error::{SpecError, quote},
    pod::PortSpec,
    shape::Object,
};

/// The port in the pod that its own nginx listens on, over TCP.
const NGINX_PORT: u16 = 80;

/// Checks that no two ports collide, and none with the pod's own nginx.
pub(super) fn resolve(configs: Vec<Object<PortConfig>>) -> Result<Vec<PortSpec>, SpecError> {
    let mut ports: Vec<PortSpec> = Vec::with_capacity(configs.len());
    for (index, Object(config)) in configs.into_iter().enumerate() {
        let port = PortSpec {
            name: config.name.into(),
            internal: config.internal.0,
            protocol: config.protocol.unwrap_or_default(),
        };
        let PortSpec { name, internal, protocol } = &port;
        if let Some(other) = ports.iter().position(|other| other.name == *name) {
            return Err(SpecError::new(
                format!("ports[{index}].name"),
                format!("{} is already the name of ports[{other}]; give each port a name of its own", quote(name)),
            ));
        }
        let is_same = |other: &PortSpec| other.internal == *internal && other.protocol == *protocol;
        let taken_by = if (*internal, *protocol) == (NGINX_PORT, Protocol::Tcp) {
            Some("the pod's own nginx".to_owned())
        } else {
            let other = ports.iter().position(is_same);
            other.map(|other| format!("ports[{other}] {}", quote(&ports[other].name)))
        };
        if let Some(other) = taken_by {
            return Err(SpecError::new(
                format!("ports[{index}].internal"),
                format!(
                    "port {internal}/{protocol} is already used by {other}; let {} listen on \
                     another port",
                    quote(name)
                ),
            ));
        }
        ports.push(port);
    }
    Ok(ports)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::podspec::tests::resolve;

    fn error(config: &Value) -> String {
        resolve(config).expect_err("ports that collide").to_string()
    }

    #[test]
    fn collisions_name_both_sides() {
        let web = json!({ "name": "web", "internal": 3000 });
        assert_eq!(
            error(&json!({ "ports": [web, { "name": "api", "internal": 3000, "protocol": "tcp" }] })),
            "pods.config ports[1].internal: port 3000/tcp is already used by ports[0] \"web\"; let \
             \"api\" listen on another port"
        );
        assert_eq!(
            error(&json!({ "ports": [{ "name": "web", "internal": 80 }] })),
            "pods.config ports[0].internal: port 80/tcp is already used by the pod's own nginx; let \
             \"web\" listen on another port"
        );
        assert_eq!(
            error(&json!({ "ports": [web, { "name": "web", "internal": 1 }] })),
            "pods.config ports[1].name: \"web\" is already the name of ports[0]; give each port a \
             name of its own"
        );
    }
}
