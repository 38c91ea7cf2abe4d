//! Django, as `startproject` makes it: it compares a form's Origin with scheme and host.

use fantoccini::Locator;

use super::{App, DOMAINS, Way, between};
use crate::support::web::Browser;

const LOGIN: &str = "/admin/login/?next=/admin/";

#[tokio::test]
#[ignore = "run by `make test-apps`"]
async fn a_login_succeeds() {
    let app = App::start("python", "django", 8000, "python manage.py runserver").await;
    let browser = Browser::start().await;
    for domain in DOMAINS {
        let ways = app.at(domain).await;
        for way in &ways {
            let refused = log_in(way, "https://evil.example");
            assert!(refused.contains(" 403 ") && refused.contains("Origin checking failed"), "{refused}");
            let answer = log_in(way, &way.origin);
            assert!(answer.contains(" 302 ") && answer.contains("Location: /admin/"), "{}: {answer}", way.origin);
            assert!(way.curl("", "/admin/").contains("Log out"));
        }
        in_a_browser(&browser, &ways[0].origin).await;
    }
    browser.close().await;
    app.end().await;
}

fn log_in(way: &Way, origin: &str) -> String {
    let page = way.curl("", LOGIN);
    let token = between(&page, "name=\"csrfmiddlewaretoken\" value=\"", "\"");
    way.submit(origin, &format!("-d csrfmiddlewaretoken={token} -d username=ada -d password=secret"), LOGIN)
}

async fn in_a_browser(browser: &Browser, origin: &str) {
    browser.client.goto(&format!("{origin}{LOGIN}")).await.unwrap();
    let form = browser.client.form(Locator::Id("login-form")).await.unwrap();
    form.set_by_name("username", "ada").await.unwrap();
    form.set_by_name("password", "secret").await.unwrap();
    form.submit().await.unwrap();
    browser.client.wait().for_element(Locator::Id("logout-form")).await.unwrap();
    assert_eq!(browser.client.current_url().await.unwrap().as_str(), format!("{origin}/admin/"));
}
