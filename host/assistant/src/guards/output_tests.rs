//! What the output check hides, what it leaves,
//! and that cutting changes nothing.

#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

/// Where contacts alone are shown.
const STRICT: Policy = Policy {
    secret: FindingAction::Mask,
    payment: FindingAction::Mask,
    identity: FindingAction::Mask,
    contact: FindingAction::Note,
};

const ALL: Policy = Policy {
    secret: FindingAction::Mask,
    payment: FindingAction::Mask,
    identity: FindingAction::Mask,
    contact: FindingAction::Mask,
};

fn in_pieces(policy: Policy, pieces: &[&str]) -> (String, Vec<Leak>) {
    let mut check = OutputCheck::new(policy);
    let mut shown = String::new();
    let mut taken = 0;
    for piece in pieces {
        taken += piece.len();
        shown += &check.push(piece);
        assert!(check.masking.held.len() < HELD && check.noting.held.len() < HELD, "{taken} bytes taken");
    }
    shown += &check.finish();
    (shown, check.findings())
}

fn masked(text: &str) -> String {
    in_pieces(ALL, &[text]).0
}

/// Put together here, so that no scanner takes this file for a leak.
fn token(head: &str, rest: &str) -> String {
    format!("{head}{rest}")
}

#[test]
fn secrets_are_masked_by_their_shape() {
    let long = "Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OUFCQ0RFRkdISUpL";
    for (secret, kind) in [
        (token("sk-", "proj-abcdefghij0123456789"), "api key"),
        (token("sk_live", "_0123456789abcdef01"), "api key"),
        (token("ghp", "_0123456789abcdefghijABCDEFGHIJ012345"), "access token"),
        (token("xoxb", "-123456789012-abcdefghijkl"), "access token"),
        (token("AKIA", "IOSFODNN7EXAMPLE"), "cloud key"),
        (token("12345678:", "AAabcdefghijklmnopqrstuvwxyz0123456"), "bot token"),
        (format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.{long}"), "signed token"),
    ] {
        let shown = masked(&format!("Here: {secret}, keep it."));
        assert_eq!(shown, format!("Here: [secret: {kind}], keep it."));
    }
    assert_eq!(masked(&format!("Authorization: Bearer {long}\n")), "Authorization: Bearer [secret: bearer token]\n");
}

#[test]
fn assigned_values_are_masked_and_gaps_to_fill_in_are_not() {
    for (text, shown) in [
        ("password=hunter2hunter2", "password=[secret: password]"),
        ("DB_PASSWORD: \"pa55word!x\",", "DB_PASSWORD: \"[secret: password]\","),
        ("{\"client_secret\":\"a8f3k2m9q0zz\"}", "{\"client_secret\":\"[secret: password]\"}"),
        ("dbPassword = `q8Zr3kLm1`", "dbPassword = `[secret: password]`"),
        ("postgres://app:s3cr3tpass@db/x", "postgres://app:[secret: password]@db/x"),
    ] {
        assert_eq!(masked(text), shown);
    }
    for text in [
        "password=your-password-1",
        "token: SecretValue",
        "password = $DB_PASSWORD",
        "api_key=<your key 123>",
        "secret: ${{ secrets.TOKEN1 }}",
        "max_tokens = 4096000000",
        "token = process.env.TOKEN_1",
        "the secret: nobody knows it",
        "password: ********1",
        "https://example.com:8080/path@x",
    ] {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn a_private_key_goes_with_all_its_lines_and_prose_after_a_header_stays() {
    let head = token("-----BEGIN ", "RSA PRIVATE KEY-----");
    let line = "MIIEpAIBAAKCAQEA0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKL\n".repeat(30);
    let key = format!("{head}\nProc-Type: 4,ENCRYPTED\n\n{line}abc=\n-----END RSA PRIVATE KEY-----");
    assert_eq!(masked(&format!("key:\n{key}\ndone")), "key:\n[secret: private key]\ndone");
    let json = format!("{{\"key\": \"{}\"}}", key.replace('\n', "\\n"));
    assert_eq!(masked(&json), "{\"key\": \"[secret: private key]\"}");
    let prose = format!("It begins with {head} and ends\nas you know. Fine.");
    assert_eq!(masked(&prose), "It begins with [secret: private key] and ends\nas you know. Fine.");
    assert_eq!(masked(&format!("{head}\n{line}")), "[secret: private key]", "an answer that breaks off");
}

#[test]
fn personal_numbers_must_have_right_check_digits() {
    for (text, shown) in [
        ("card 4111 1111 1111 1111 2025", "card [secret: card number] 2025"),
        ("card 5500-0055-5555-5559.", "card [secret: card number]."),
        ("IBAN DE89 3704 0044 0532 0130 00 and", "IBAN [secret: account number] and"),
        ("GB82WEST12345698765432", "[secret: account number]"),
        ("SSN 219-09-9999", "SSN [secret: social security number]"),
    ] {
        assert_eq!(masked(text), shown);
    }
    for text in [
        "card 4111 1111 1111 1112",
        "order 9123456789012345",
        "DE88 3704 0044 0532 0130 00",
        "000-12-3456 and 666-12-3456 and 912-34-5678",
        "call 2024-01-02 or 123-45-67890",
        "4111111111111111222222",
    ] {
        assert_eq!(masked(text), text);
    }
}

#[test]
fn contacts_are_noted_and_shown_by_default() {
    let text = "Write to anna@example.org or call +44 20 7946 0000. Key: ";
    let (shown, leaks) = in_pieces(STRICT, &[text, &token("AKIA", "IOSFODNN7EXAMPLE")]);
    assert_eq!(shown, format!("{text}[secret: cloud key]"));
    let seen: Vec<_> = leaks.iter().map(|leak| (leak.kind, leak.masked, leak.at)).collect();
    let phone = text.find('+').unwrap() as u64;
    let expected =
        [("e-mail address", false, 9), ("phone number", false, phone), ("cloud key", true, text.len() as u64)];
    assert_eq!(seen, expected);
    let off = Policy {
        secret: FindingAction::Off,
        payment: FindingAction::Off,
        identity: FindingAction::Off,
        contact: FindingAction::Off,
    };
    let (shown, leaks) = in_pieces(off, &[&token("AKIA", "IOSFODNN7EXAMPLE")]);
    assert!(shown.starts_with("AKIA") && leaks.is_empty());
}

#[test]
fn a_token_longer_than_can_be_followed_is_hidden_to_its_end() {
    let long = format!("eyJhbGciOiJIUzI1NiJ9.eyJ{}.sig-1 end", "a1B2c3D4e".repeat(300));
    assert_eq!(masked(&long), "[secret: signed token] end");
    let value = format!("password={} end", "a1B2c3D4e".repeat(300));
    assert_eq!(masked(&value), "password=[secret: password] end");
}

#[test]
fn prose_is_shown_as_it_comes() {
    let mut check = OutputCheck::new(STRICT);
    for piece in ["Hello", ", this is", " an answer", " in 3 pieces", "; nothing waits. "] {
        assert_eq!(check.push(piece), piece);
    }
    assert_eq!(check.push("a pass"), "a ");
    assert_eq!(check.push("age"), "passage");
}

/// Pieces that make and nearly make each shape.
fn material() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(token("-----BEGIN ", "PRIVATE KEY-----")),
        Just("-----END PRIVATE KEY-----".to_owned()),
        Just("MIIEpAIBAAKCAQEA\n".to_owned()),
        Just("\\n".to_owned()),
        Just(token("sk-", "abcdefghij0123456789")),
        Just(token("AKIA", "IOSFODNN7EXAMPLE")),
        Just("password=".to_owned()),
        Just("://u:".to_owned()),
        Just("hunter2#".to_owned()),
        Just("4111 1111 1111 1111".to_owned()),
        Just("DE89 3704 0044 0532 0130 00".to_owned()),
        Just("219-09-9999".to_owned()),
        Just("anna@example.org".to_owned()),
        Just("+44 20 7946 0000".to_owned()),
        Just("a1B2c3".repeat(90)),
        Just("é".repeat(200)),
        "[ \\n\"':=.,@-]{1,3}",
        "[a-zA-Z0-9é]{1,12}",
    ];
    prop::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn how_the_text_is_cut_changes_nothing(text in material(), cuts in prop::collection::vec(0_usize..1500, 0..20)) {
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| text.floor_char_boundary(cut)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]).collect();
        let chars: Vec<&str> = text.split_inclusive(|_| true).collect();
        for policy in [ALL, STRICT, Policy::default()] {
            let whole = in_pieces(policy, &[&text]);
            prop_assert_eq!(&in_pieces(policy, &pieces), &whole);
            prop_assert_eq!(&in_pieces(policy, &chars), &whole);
        }
    }
}
