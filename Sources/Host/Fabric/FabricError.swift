/// Why the fabric refused something or failed. System calls that fail throw `SystemError` instead.
public struct FabricError: Error, CustomStringConvertible, Sendable, Equatable {
    public enum Code: String, Sendable {
        /// A name or value that cannot be used.
        case invalid
        /// A group, rule, interface or subnet that does not exist.
        case unknown
        /// Something of that name exists.
        case exists
        /// nftables refused a transaction, or answered what cannot be understood.
        case nftables
        /// The kernel lacks something that is needed.
        case unsupported
        /// A capture could not be opened or written.
        case capture
    }
    public let code: Code
    public let message: String
    /// Whether a capture could not be opened only because its interface is down.
    let isInterfaceDown: Bool

    init(_ code: Code, _ message: String, isInterfaceDown: Bool = false) {
        self.code = code
        self.message = message
        self.isInterfaceDown = isInterfaceDown
    }

    public var description: String { "fabric: \(message)" }
}
