import CLibcrypto

/// What must be said to OpenSSL before its first use in a process.
public enum OpenSSL {
    /// Sets OpenSSL up, once. Every module that uses it reads this first.
    ///
    /// The library frees what it holds when a process exits (`OPENSSL_init_crypto(3)`), on the thread that exits. Threads
    /// of other connections still use it then, and the process ended with a double free. Without that, the kernel frees
    /// everything.
    public static let isSetUp: Bool = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) == 1
}
