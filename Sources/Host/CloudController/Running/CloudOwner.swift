import CloudAPI
import LinuxKernel

/// The cloud, as the owner of its machines asks it. Tests have one of their own.
protocol CloudOwner: Sendable {
    /// - Throws: `CloudFailure` if the cloud refuses, `SystemError` if it cannot be reached.
    func ask(_ request: AccountRequest) async throws -> AccountReply
}

/// The lab's cloud, from the control plane's network.
struct LabCloudOwner: CloudOwner {
    func ask(_ request: AccountRequest) async throws -> AccountReply {
        // The client blocks.
        try await onOwnThread("cloud") { try CloudClient().ask(request) }
    }
}
