//! `FastAPI` on uvicorn: it redirects by an absolute address, made of scheme and host.

use super::{App, DOMAINS};
use crate::support::host::header;

#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn a_redirect_comes_back() {
    let app = App::start("python", "fastapi", 8000, "uvicorn main:app").await;
    for domain in DOMAINS {
        for way in app.at(domain).await {
            let location = header(&way.curl("-D -", "/items"), "location");
            assert_eq!(location.as_deref(), Some("/items/"), "{}", way.origin);
            assert_eq!(way.curl("-L", "/items"), r#"["one","two"]"#);
        }
    }
    app.end().await;
}
