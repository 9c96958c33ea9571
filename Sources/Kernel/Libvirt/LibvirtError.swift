import CLibvirt

/// A failed libvirt call: its name, its object, and libvirt's message.
public struct LibvirtError: Error, CustomStringConvertible, Sendable, Equatable {
    /// `virErrorNumber`, for example 38 (`VIR_ERR_SYSTEM_ERROR`). See libvirt/virterror.h.
    public let code: Int32
    /// `virErrorDomain`: the part of libvirt that raised it, for example 10 (`VIR_FROM_QEMU`).
    public let domain: Int32
    /// The call, for example `virDomainCreateXML`.
    public let call: String
    /// The object, for example the domain's name.
    public let subject: String
    /// libvirt's message.
    public let message: String

    public init(code: Int32, domain: Int32 = 0, call: String, subject: String, message: String) {
        self.code = code
        self.domain = domain
        self.call = call
        self.subject = subject
        self.message = message
    }

    /// Captures the calling thread's last error. Call it right after the failed call, on the same thread.
    static func last(_ call: String, _ subject: String) -> LibvirtError {
        guard let error = virGetLastError() else {
            return LibvirtError(code: 0, call: call, subject: subject, message: "no error was recorded")
        }
        let message = error.pointee.message.map { String(cString: $0) } ?? "unknown error"
        return LibvirtError(
            code: Int32(error.pointee.code), domain: Int32(error.pointee.domain), call: call, subject: subject,
            message: message)
    }

    /// Says whether the domain is gone, never existed (`VIR_ERR_NO_DOMAIN`) or does not run
    /// (`VIR_ERR_OPERATION_INVALID`).
    public var saysNotRunning: Bool {
        code == Int32(VIR_ERR_NO_DOMAIN.rawValue) || code == Int32(VIR_ERR_OPERATION_INVALID.rawValue)
    }

    public var description: String {
        "\(call)\(subject.isEmpty ? "" : " " + subject): \(message) (libvirt error \(code), from \(domain))"
    }
}
