//! Makes certificates: one that signs itself, an authority, and what it signs.

use super::kept::{Authority, Index, Issued};
use crate::error::{Context, Result, error};
use cara_services::vault::SecretValue;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};

/// How long the authority lasts, days.
pub(crate) const AUTHORITY_DAYS: u32 = 3650;

/// How long what it signs lasts unless somebody says otherwise, days. Clients take no certificate of a server that lasts
/// longer than 398 (CA/Browser Forum, Apple).
pub(crate) const DAYS: u32 = 365;

/// A certificate with its key, in PEM.
pub(crate) struct Made {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) issued: Issued,
}

/// SHA-256 over a certificate, in hexadecimal digits.
pub(crate) fn fingerprint(der: &[u8]) -> String {
    hex::encode(Sha256::digest(der))
}

fn at(now_ms: u64) -> Result<OffsetDateTime> {
    let seconds = i64::try_from(now_ms / 1000).context("the clock of this machine is off")?;
    OffsetDateTime::from_unix_timestamp(seconds).context("the clock of this machine is off")
}

fn ms(time: OffsetDateTime) -> u64 {
    u64::try_from(time.unix_timestamp()).unwrap_or_default() * 1000
}

/// A certificate to be, from an hour ago on, since clocks differ.
fn params(name: &str, names: &[String], days: u32, now_ms: u64) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(names.to_vec()).map_err(|error| {
        error!(Invalid, "a name of the certificate cannot be used: {error}\nhint: DNS names and addresses are")
    })?;
    params.distinguished_name = common_name(name);
    params.not_before = at(now_ms)? - Duration::hours(1);
    params.not_after = at(now_ms)? + Duration::days(days.into());
    let mut serial = [0; 16];
    getrandom::fill(&mut serial)?;
    // Positive, and of one length.
    serial[0] = serial[0] & 0x3f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    Ok(params)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn made(name: &str, client: bool, params: &CertificateParams, certificate: &Certificate, key: &KeyPair) -> Made {
    let serial = params.serial_number.as_ref().map(|serial| hex::encode(serial.to_bytes())).unwrap_or_default();
    let issued = Issued {
        serial,
        name: name.to_owned(),
        client,
        fingerprint: fingerprint(certificate.der()),
        expires_ms: ms(params.not_after),
        revoked_ms: None,
    };
    Made { certificate: certificate.pem(), key: key.serialize_pem(), issued }
}

fn failed(error: rcgen::Error) -> crate::error::Error {
    error!(Internal, "the certificate cannot be made: {error}\nhint: this is a mistake in cara")
}

/// A server's certificate that signs itself.
pub(crate) fn self_signed(name: &str, names: &[String], now_ms: u64) -> Result<Made> {
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = params(name, names, DAYS, now_ms)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok(made(name, false, &params, &certificate, &key))
}

/// What an authority is, whatever its key.
fn of_authority(name: &str, mut params: CertificateParams) -> CertificateParams {
    params.distinguished_name = common_name(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// An authority.
pub(crate) fn authority(name: &str, now_ms: u64) -> Result<Made> {
    let key = KeyPair::generate().map_err(failed)?;
    let params = of_authority(name, params(name, &[], AUTHORITY_DAYS, now_ms)?);
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok(made(name, false, &params, &certificate, &key))
}

/// Signs with the authority's key.
pub(crate) struct Signer(Issuer<'static, KeyPair>);

impl Signer {
    /// The authority of this name, with its key out of the vault.
    pub(crate) fn new(authority: &Authority, key: &SecretValue) -> Result<Self> {
        let key = std::str::from_utf8(key.expose()).context("the authority's key is damaged")?;
        Ok(Self(Issuer::new(
            of_authority(&authority.name, CertificateParams::default()),
            KeyPair::from_pem(key).map_err(failed)?,
        )))
    }

    /// A certificate of a server or a client.
    pub(crate) fn issue(&self, name: &str, names: &[String], client: bool, days: u32, now_ms: u64) -> Result<Made> {
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = params(name, names, days, now_ms)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let purpose = if client { ExtendedKeyUsagePurpose::ClientAuth } else { ExtendedKeyUsagePurpose::ServerAuth };
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.0).map_err(failed)?;
        Ok(made(name, client, &params, &certificate, &key))
    }

    /// The list of what is revoked; it lasts as long as the authority, since each revocation makes a new one.
    pub(crate) fn revoked(&self, index: &Index, authority: &Authority, now_ms: u64) -> Result<String> {
        let entry = |issued: &Issued| {
            let revoked_ms = issued.revoked_ms?;
            let serial = hex::decode(&issued.serial).ok()?;
            Some((serial, revoked_ms))
        };
        let mut revoked_certs = Vec::new();
        for (serial, revoked_ms) in index.issued.iter().filter_map(entry) {
            revoked_certs.push(RevokedCertParams {
                serial_number: SerialNumber::from_slice(&serial),
                revocation_time: at(revoked_ms)?,
                reason_code: None,
                invalidity_date: None,
            });
        }
        let list = CertificateRevocationListParams {
            this_update: at(now_ms)?,
            next_update: at(authority.expires_ms.max(now_ms + 1000))?,
            crl_number: SerialNumber::from(authority.lists),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).and_then(|list| list.pem()).map_err(failed)
    }
}
