//! Where a component may make the host connect to:
//! a corpus of URLs and DNS answers through the whole gate.

use crate::fixture::{Fixture, Server, Step, answer, get, grants_with, limits, script};
use crate::tls::Authority;
use cara_services::egress::{Egress, EgressError, Roots, TcpDial, Transport};
use http::Uri;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ANYWHERE: &str = "[[http]]\nhost = \"*\"\nmethods = [\"GET\"]\nwhy = \"a test\"";

fn hangs_up() -> Server {
    Arc::new(|_| Box::pin(async {}))
}

/// Each line of the corpus: a URL, what the resolver says (`-`: it may not even be asked), and `reached` or `refused`.
#[tokio::test]
async fn no_form_of_an_inner_address_is_reached() {
    let lines = include_str!("ssrf.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines {
        let [url, answer, verdict] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
        let fixture = Fixture::new(ANYWHERE, hangs_up(), Authority::new().roots());
        if answer != "-" {
            let host = url.parse::<Uri>().unwrap().host().unwrap().trim_end_matches('.').to_ascii_lowercase();
            fixture.names.answer(&host, answer);
        }
        // What is no URI for the `http` crate never becomes a request of a component.
        let result = match url.parse::<Uri>() {
            Ok(uri) => {
                let request = http::Request::get(uri).body(http_body_util::Full::default()).unwrap();
                fixture.send(&Vec::new(), request).await.map(|_| ())
            }
            Err(_) => Err(cara_authority::Refusal::new(cara_authority::Rule::Invalid, "no URI").into()),
        };
        let dialed = fixture.pipes.dialed.lock().unwrap().clone();
        let refused = matches!(result, Err(EgressError::Refused(_))) && dialed.is_empty();
        let only_answered = dialed.iter().all(|address| answer == "-" || answer.contains(&address.ip().to_string()));
        let right = match verdict {
            "refused" => refused && (answer != "-" || fixture.names.asked.lock().unwrap().is_empty()),
            "reached" => !dialed.is_empty() && only_answered,
            _ => false,
        };
        count += 1;
        if !right {
            wrong.push(format!("{line}: {result:?}, connected to {dialed:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 150, "{count} lines");
}

#[tokio::test]
async fn a_name_that_rebinds_is_connected_to_where_it_was_checked() {
    let authority = Authority::new();
    let fixture = Fixture::new(ANYWHERE, authority.server("rebind.example", &["http/1.1"]), authority.roots());
    fixture.names.answer("rebind.example", "1.1.1.1");
    fixture.names.answer("rebind.example", "127.0.0.1");
    let credentials = Vec::new();
    fixture.send(&credentials, get("https://rebind.example/")).await.unwrap();
    assert_eq!(*fixture.names.asked.lock().unwrap(), ["rebind.example"]);
    assert_eq!(*fixture.pipes.dialed.lock().unwrap(), ["1.1.1.1:443".parse().unwrap()]);
}

#[tokio::test]
async fn a_name_that_rebinds_after_the_connection_closed_is_refused() {
    let fixture = Fixture::new(ANYWHERE, hangs_up(), Authority::new().roots());
    fixture.names.answer("rebind.example", "1.1.1.1");
    fixture.names.answer("rebind.example", "169.254.169.254");
    let credentials = Vec::new();
    fixture.send(&credentials, get("https://rebind.example/")).await.unwrap_err();
    insta::assert_snapshot!(
        fixture.refused(&credentials, get("https://rebind.example/")).await,
        @"component `guest` may not reach `https://rebind.example`: it resolves to `169.254.169.254`, which is link-local (RFC 3927)"
    );
    assert_eq!(fixture.pipes.dialed.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn refusals_say_what_is_wrong() {
    let fixture = Fixture::new(ANYWHERE, hangs_up(), Authority::new().roots());
    let credentials = Vec::new();
    let mut texts = String::new();
    for url in [
        "https://169.254.169.254/",
        "https://metadata.google.internal/",
        "https://intranet/",
        "https://[::ffff:127.0.0.1]/",
        "https://nowhere.example/",
    ] {
        texts += &fixture.refused(&credentials, get(url)).await;
        texts += "\n";
    }
    insta::assert_snapshot!(texts, @r"
    component `guest` may not reach `https://169.254.169.254`: the address is link-local (RFC 3927)
    hint: only public hosts over `https`, or an `http` server on this machine named as base URL, are reached
    component `guest` may not reach `https://metadata.google.internal`: the name is internal to a network
    hint: only public hosts over `https`, or an `http` server on this machine named as base URL, are reached
    component `guest` may not reach `https://intranet`: the name is without a domain
    hint: only public hosts over `https`, or an `http` server on this machine named as base URL, are reached
    component `guest` may not reach `https://[::ffff:7f00:1]`: the address is IPv4-mapped (RFC 4291)
    hint: only public hosts over `https`, or an `http` server on this machine named as base URL, are reached
    the name of `https://nowhere.example` cannot be resolved: no such name
    hint: check the name and this machine's DNS
    ");
}

/// A component with a base URL that the operator opened: plain HTTP in a private network.
fn opened(base: &str, steps: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) -> Fixture {
    let manifest = format!(
        "[[http]]\nhost = \"{{setting:base-url}}\"\nmethods = [\"GET\"]\nwhy = \"a test\"\n\
         [[setting]]\nkey = \"base-url\"\nlabel = \"URL\"\ntype = \"url\"\ndefault = \"{base}\""
    );
    let mut fixture = Fixture::new(&manifest, script(steps, &Arc::default()), Roots::None);
    fixture.grants = grants_with("guest", &manifest, &[&format!("plain {base}"), &format!("private {base}")]);
    fixture
}

#[tokio::test]
async fn a_granted_server_in_a_private_network_leads_nowhere_else() {
    let away = "HTTP/1.1 302 Found\r\nlocation: http://192.168.0.1/admin\r\ncontent-length: 0\r\n\r\n";
    let fixture = opened("http://10.0.0.5:8000", |_| vec![Step::Write(away.into())]);
    let answer = fixture.send(&Vec::new(), get("http://10.0.0.5:8000/")).await.unwrap();
    assert_eq!(answer.head.status(), 302);
    let refused = fixture.refused(&Vec::new(), get("http://192.168.0.1/admin")).await;
    assert!(refused.starts_with("component `guest` may not reach `http://192.168.0.1`"), "{refused}");
    assert_eq!(*fixture.pipes.dialed.lock().unwrap(), ["10.0.0.5:8000".parse().unwrap()]);
}

#[tokio::test]
async fn a_granted_name_of_a_private_network_rebinds_to_nothing_else() {
    let fixture = opened("http://gpu.lan:8000", |_| answer("", b"ok"));
    for addresses in ["192.168.7.7", "127.0.0.1", "93.184.216.34", "169.254.169.254", "10.0.0.1, 127.0.0.1"] {
        fixture.names.answer("gpu.lan", addresses);
    }
    let got = fixture.send(&Vec::new(), get("http://gpu.lan:8000/")).await.unwrap();
    assert_eq!(got.text(), "ok");
    for (address, what) in [
        ("127.0.0.1", "loopback"),
        ("93.184.216.34", "public, which was not granted as private"),
        ("169.254.169.254", "link-local (RFC 3927)"),
        ("127.0.0.1", "loopback"),
    ] {
        let refused = fixture.refused(&Vec::new(), get("http://gpu.lan:8000/")).await;
        assert!(refused.ends_with(&format!("it resolves to `{address}`, which is {what}")), "{refused}");
    }
    assert_eq!(*fixture.pipes.dialed.lock().unwrap(), ["192.168.7.7:8000".parse().unwrap()]);
}

#[tokio::test]
async fn localhost_is_this_machine_whatever_the_resolver_says() {
    let manifest = "[[http]]\nhost = \"{setting:base-url}\"\nmethods = [\"GET\"]\nwhy = \"a test\"\n\
        [[setting]]\nkey = \"base-url\"\nlabel = \"URL\"\ntype = \"url\"\ndefault = \"http://localhost:8080\"";
    let fixture = Fixture::new(manifest, hangs_up(), Roots::None);
    fixture.names.answer("localhost", "93.184.216.34");
    fixture.send(&Vec::new(), get("http://localhost:8080/")).await.unwrap_err();
    assert!(fixture.pipes.dialed.lock().unwrap().iter().all(|address| address.ip().is_loopback()));
    assert!(fixture.names.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_real_server_on_this_machine_answers_over_tcp() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 4096]).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    });
    let manifest = format!(
        "[[http]]\nhost = \"{{setting:base-url}}\"\nmethods = [\"GET\"]\nwhy = \"a test\"\n\
         [[setting]]\nkey = \"base-url\"\nlabel = \"URL\"\ntype = \"url\"\ndefault = \"{base}\""
    );
    let mut fixture = Fixture::new(&manifest, hangs_up(), Roots::None);
    let transport = Transport { resolver: fixture.names.clone(), dial: Arc::new(TcpDial), roots: Roots::None };
    fixture.egress = Egress::new(fixture.known.clone(), transport);
    let answer = fixture.send(&Vec::new(), get(&base)).await.unwrap();
    assert_eq!(answer.text(), "ok");
}

/// Runs the test above once more in a process whose environment names proxies.
#[test]
fn proxy_variables_are_never_read() {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "ssrf::a_real_server_on_this_machine_answers_over_tcp"]);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
        command.env(name, "http://127.0.0.1:9");
    }
    let output = command.env_remove("NO_PROXY").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn names_that_hang_take_few_threads_and_hold_up_no_other_component() {
    #[derive(Default)]
    struct Hanging(std::sync::Mutex<usize>);
    impl cara_services::egress::Resolver for Hanging {
        fn resolve<'a>(
            &'a self,
            name: &'a str,
        ) -> futures_util::future::BoxFuture<'a, std::io::Result<Vec<std::net::IpAddr>>> {
            Box::pin(async move {
                if name.starts_with("hang") {
                    *self.0.lock().unwrap() += 1;
                    // As `getaddrinfo` does it: whoever waited is gone long before.
                    std::future::pending::<()>().await;
                }
                Ok(vec!["10.0.0.1".parse().unwrap()])
            })
        }
    }
    let manifest = "[[http]]\nhost = \"*\"\nmethods = [\"GET\"]\nwhy = \"a test\"";
    let mut fixture = Fixture::new(manifest, crate::fixture::script(|_| Vec::new(), &Arc::default()), Roots::None);
    let (resolver, dial) = (Arc::new(Hanging::default()), fixture.pipes.clone());
    let transport = Transport { resolver: resolver.clone(), dial, roots: crate::tls::Authority::new().roots() };
    fixture.egress = Egress::new(fixture.known.clone(), transport);
    let credentials = Vec::new();
    let hanging = (0..20).map(|number| {
        let (fixture, credentials) = (&fixture, &credentials);
        async move { fixture.refused(credentials, get(&format!("https://hang{number}.example.com/"))).await }
    });
    let texts = futures_util::future::join_all(hanging).await;
    assert!(texts.iter().all(|text| text.contains("no answer from the resolver within 5s")), "{texts:?}");
    assert_eq!(*resolver.0.lock().unwrap(), 4, "look-ups at once, each of which takes a thread");
    let other = crate::fixture::grants_of("other", manifest);
    let request = get("https://quick.example.com/");
    let destination = other.destination(request.method(), request.uri()).unwrap();
    let error = fixture.egress.send(destination, request, &credentials, &limits()).await.err().unwrap().to_string();
    assert!(error.contains("it resolves to `10.0.0.1`"), "{error}");
}
