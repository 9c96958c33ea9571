#if canImport(Glibc)
    import Glibc
#endif

/// A failed system call: the call, its object, and the kernel's answer.
///
/// All modules that speak to the kernel throw this error. `errno` is turned into it right where the call is made.
public struct SystemError: Error, CustomStringConvertible, Sendable, Equatable {
    /// `errno` as the call left it, for example `ENOENT`.
    public let code: Int32
    /// The call, for example `mount`.
    public let call: String
    /// The object it was asked of, for example `/sys`.
    public let subject: String

    public init(code: Int32, call: String, subject: String = "") {
        self.code = code
        self.call = call
        self.subject = subject
    }

    /// Captures `errno`. Call it right after the failed call.
    public static func last(_ call: String, _ subject: String = "") -> SystemError {
        SystemError(code: errno, call: call, subject: subject)
    }

    /// The kernel's answer in words: `No such file or directory`.
    public var reason: String { String(cString: strerror(code)) }

    public var description: String {
        subject.isEmpty ? "\(call): \(reason)" : "\(call) \(subject): \(reason)"
    }
}

/// Runs a call that answers -1 on failure, again when a signal interrupted it, and throws its `errno`.
@discardableResult
public func check<Result: BinaryInteger>(
    _ call: String, _ subject: @autoclosure () -> String = "", _ body: () -> Result
) throws(SystemError) -> Result {
    while true {
        let result = body()
        if result != -1 { return result }
        if errno == EINTR { continue }
        throw SystemError(code: errno, call: call, subject: subject())
    }
}
