//! Streamlit: its page is nothing without its WebSocket, which compares Origin with Host.

use fantoccini::Locator;

use super::{App, DOMAINS};
use crate::support::web::{Browser, Socket};

#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn a_click_arrives_over_the_socket() {
    let command = "streamlit run app.py --server.port 8501 --server.headless true";
    let app = App::start("python", "streamlit", 8501, command).await;
    let browser = Browser::start().await;
    for domain in DOMAINS {
        let ways = app.at(domain).await;
        browser.client.goto(&ways[0].origin).await.unwrap();
        let wait = || browser.client.wait();
        wait().for_element(Locator::XPath("//button[contains(., 'Count')]")).await.unwrap().click().await.unwrap();
        wait().for_element(Locator::XPath("//p[. = 'Counted 1']")).await.unwrap();

        for way in &ways {
            let open = async |origin: &str| {
                let path = "/_stcore/stream";
                Socket::try_open(&app.proxy_port, &way.host, path, "streamlit", Some(origin)).await
            };
            assert!(open(&way.origin).await.is_ok(), "{}", way.origin);
            assert!(open("https://evil.example").await.is_err(), "Streamlit judges for itself");
        }
    }
    browser.close().await;
    app.end().await;
}
