//! Next.js, Vite and `SvelteKit`: a page that is alive, an edit that it shows without being loaded again, and a form. The
//! socket that tells it of the edit, and the form, are refused where Origin and Host don't fit.

use fantoccini::Locator;

use super::{App, DOMAINS, Way, between};
use crate::support::{
    eventually,
    host::inside,
    web::{Browser, Socket},
};

const COUNTER: Locator<'_> = Locator::Id("counter");
/// What a page that is loaded again forgets.
const MARK: &str = "window.mark = 'here before'";

#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn next_counts_reloads_and_acts() {
    let app = App::start("node", "nextjs", 3000, "npx next dev").await;
    develop(app, "app/counter.js", Some("hello"), async |app: &App, way: &Way| {
        let said = |origin: &str, word: &str| {
            let page = way.curl("", "/");
            let action = format!("$ACTION_ID_{}", between(&page, "name=\"$ACTION_ID_", "\""));
            way.submit(origin, &format!("-F '{action}=' -F said={word}"), "/")
        };
        let refused = said("https://evil.example", "evil");
        assert!(refused.contains(" 500 "), "{refused}");
        let answer = said(&way.origin, "again");
        assert!(answer.contains("You said again"), "{}: {answer}", way.origin);

        let hot = async |origin: &str| {
            Socket::try_open(&app.proxy_port, &way.host, "/_next/hmr?id=test", "", Some(origin)).await
        };
        assert!(hot(&way.origin).await.is_ok(), "{}", way.origin);
        assert!(hot("https://evil.example").await.is_err(), "Next.js judges for itself");
    })
    .await;
}

#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn vite_counts_and_reloads() {
    let app = App::start("node", "vite", 5173, "npx vite").await;
    develop(app, "src/Counter.jsx", None, hot_socket_opens).await;
}

#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn sveltekit_counts_reloads_and_acts() {
    let app = App::start("node", "sveltekit", 5173, "npx vite dev").await;
    develop(app, "src/routes/+page.svelte", Some("hello"), hot_socket_opens).await;
}

/// Its development server takes a form from anywhere.
#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn sveltekit_judges_a_form_when_it_is_built() {
    let app = App::start("node", "sveltekit", 4173, "sh -c 'npx vite build && exec npx vite preview'").await;
    for domain in DOMAINS {
        for way in app.at(domain).await {
            let refused = way.submit("https://evil.example", "-d said=evil", "/");
            assert!(refused.contains(" 403 "), "{refused}");
            let answer = way.submit(&way.origin, "-d said=again", "/");
            assert!(answer.contains(r#""type":"success""#), "{}: {answer}", way.origin);
            assert!(way.curl("", "/").contains("You said again"));
        }
    }
    app.end().await;
}

/// What a person does with an app at each domain: looks at its page while `file` is edited, and says a word by its form, if
/// it has one. `judge` tries what else has to work by each way.
async fn develop(app: App, file: &str, word: Option<&str>, judge: impl AsyncFn(&App, &Way)) {
    let browser = Browser::start().await;
    for domain in DOMAINS {
        let ways = app.at(domain).await;
        is_alive(&app, &browser, &ways[0], file).await;
        if let Some(word) = word {
            says_in_a_browser(&browser, word).await;
        }
        for way in &ways {
            judge(&app, way).await;
        }
    }
    browser.close().await;
    app.end().await;
}

/// The counter counts once the page's program runs, and an edit of `file` changes its words, and nothing else.
async fn is_alive(app: &App, browser: &Browser, way: &Way, file: &str) {
    let client = &browser.client;
    client.goto(&way.origin).await.unwrap();
    let shown = async || client.wait().for_element(COUNTER).await.unwrap().text().await.ok();
    assert_eq!(shown().await.as_deref(), Some("Counted 0"));
    eventually("a counter that counts", async || {
        client.find(COUNTER).await.ok()?.click().await.ok()?;
        (shown().await? != "Counted 0").then_some(())
    })
    .await;

    client.execute(MARK, Vec::new()).await.unwrap();
    let edit =
        |from: &str, to: &str| inside(&app.pod, &format!("sed -i 's/{from}/{to}/' '/opt/apps/{}/{file}'", app.name));
    edit("Counted", "Tallied");
    eventually("an edit that is shown", async || shown().await?.starts_with("Tallied").then_some(())).await;
    let mark = client.execute("return window.mark", Vec::new()).await.unwrap();
    assert_eq!(mark, "here before", "the page was loaded again");
    edit("Tallied", "Counted");
    eventually("an edit that is shown", async || shown().await?.starts_with("Counted").then_some(())).await;
}

async fn says_in_a_browser(browser: &Browser, word: &str) {
    let client = &browser.client;
    client.find(Locator::Css("[name=said]")).await.unwrap().send_keys(word).await.unwrap();
    client.find(Locator::Id("say")).await.unwrap().click().await.unwrap();
    let said = format!("//*[@id = 'said' and . = 'You said {word}']");
    client.wait().for_element(Locator::XPath(&said)).await.unwrap();
}

/// Vite's: with the token of its own page, as a page of the pod's opens it.
async fn hot_socket_opens(app: &App, way: &Way) {
    let client = way.curl("", "/@vite/client");
    let path = format!("/?token={}", between(&client, "wsToken = \"", "\""));
    let opened = Socket::try_open(&app.proxy_port, &way.host, &path, "vite-hmr", Some(&way.origin)).await;
    opened.unwrap().read_until("connected").await;
}
