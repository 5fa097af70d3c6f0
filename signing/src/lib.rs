//! Signed component packages: the only maker of Verified<Package>.
