import CLibcrypto
import OpenSSL

/// A private key on the curve P-256, and its public key. Making one takes some 20 µs.
///
/// `@unchecked Sendable`: nothing changes the key after it was made, and libcrypto lets several threads sign with one
/// key.
public final class KeyPair: @unchecked Sendable {
    let key: OpaquePointer

    /// Makes a new key from the kernel's randomness.
    public init() throws(CertificateError) {
        _ = OpenSSL.isSetUp
        let context = try made("EVP_PKEY_CTX_new_id") { EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) }
        defer { EVP_PKEY_CTX_free(context) }
        try succeed("EVP_PKEY_keygen_init") { EVP_PKEY_keygen_init(context) }
        try succeed("EVP_PKEY_CTX_set_ec_paramgen_curve_nid") {
            EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1)
        }
        key = try made("EVP_PKEY_keygen") {
            var key: OpaquePointer?
            return EVP_PKEY_keygen(context, &key) > 0 ? key : nil
        }
    }

    deinit { EVP_PKEY_free(key) }

    /// The private key, unencrypted, as PKCS #8 in PEM (`BEGIN PRIVATE KEY`). A secret.
    public func privatePEM() throws(CertificateError) -> String {
        try pem("PEM_write_bio_PrivateKey") { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
    }

    /// The public key in PEM (`BEGIN PUBLIC KEY`).
    public func publicPEM() throws(CertificateError) -> String {
        try pem("PEM_write_bio_PUBKEY") { PEM_write_bio_PUBKEY($0, key) }
    }
}
