import CLibcrypto
import OpenSSL

/// Computes the SHA-256 (FIPS 180-4) of bytes that arrive in pieces, with OpenSSL's libcrypto.
public struct SHA256Digest: ~Copyable {
    private let context: OpaquePointer

    public init() {
        _ = OpenSSL.isSetUp
        context = EVP_MD_CTX_new()
        EVP_DigestInit_ex(context, EVP_sha256(), nil)
    }

    deinit { EVP_MD_CTX_free(context) }

    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
    }

    /// Returns the digest as 64 lower-case hexadecimal digits, and ends it.
    public consuming func hex() -> String {
        var out = [UInt8](repeating: 0, count: 32)
        EVP_DigestFinal_ex(context, &out, nil)
        let digits = Array("0123456789abcdef")
        return String(out.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }

    /// Returns the digest of bytes that are at hand.
    public static func hex(of bytes: some Collection<UInt8>) -> String {
        var digest = SHA256Digest()
        Array(bytes).withUnsafeBytes { digest.update($0) }
        return digest.hex()
    }
}
