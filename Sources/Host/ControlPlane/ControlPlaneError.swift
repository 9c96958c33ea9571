/// Why a control plane could not do what it was asked to.
public struct ControlPlaneError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: String, Sendable, Hashable {
        /// A folder lacks a program, or one of them does not run or is too old.
        case programs
        /// The specification contradicts itself, or has a name or an address that cannot be one.
        case invalidSpec
        /// A key or a certificate could not be made or written.
        case credentials
        /// A server could not be started.
        case notStarted
        /// A server ended though nobody asked it to.
        case ended
        /// It was not ready in time.
        case timedOut
        /// The server that is asked for does not run.
        case notRunning
    }

    public let code: Code
    /// What failed on which object.
    public let message: String
    /// What mends it; empty if nothing is known.
    public let mend: String

    init(_ code: Code, _ message: String, mend: String = "") {
        self.code = code
        self.message = message
        self.mend = mend
    }

    public var description: String { mend.isEmpty ? message : "\(message); \(mend)" }
}
