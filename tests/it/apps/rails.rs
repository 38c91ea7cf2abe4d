//! Rails, as its generators make a site: it knows the hosts that it may be asked by, and compares a form's Origin with what a
//! proxy says of scheme and host.

use fantoccini::Locator;

use super::{App, DOMAINS, Way, between};
use crate::support::{host::header, web::Browser};

#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn a_page_and_its_form_work() {
    let app = App::start("rails", "rails", 3000, "bin/rails server").await;
    let browser = Browser::start().await;
    for domain in DOMAINS {
        let ways = app.at(domain).await;
        for way in &ways {
            let refused = note(way, "https://evil.example");
            assert!(refused.contains(" 422 "), "{refused}");
            let answer = note(way, &way.origin);
            let made = header(&answer, "location").unwrap_or_else(|| panic!("{}: {answer}", way.origin));
            assert!(answer.contains(" 302 ") && made.starts_with("/notes/"), "{}: {answer}", way.origin);
            assert!(way.curl("", &made).contains("six by nine"));
        }

        let client = &browser.client;
        client.goto(&format!("{}/notes/new", ways[0].origin)).await.unwrap();
        let form = client.form(Locator::Css("form")).await.unwrap();
        form.set_by_name("note[text]", "what is it").await.unwrap();
        form.submit().await.unwrap();
        let shown = Locator::XPath("//p[contains(., 'what is it')]");
        client.wait().for_element(shown).await.unwrap();
    }
    browser.close().await;
    app.end().await;
}

fn note(way: &Way, origin: &str) -> String {
    let page = way.curl("", "/notes/new");
    let token = between(&page, "name=\"authenticity_token\" value=\"", "\"");
    let fields = format!("--data-urlencode 'authenticity_token={token}' -d 'note[text]=six by nine'");
    way.submit(origin, &fields, "/notes")
}
