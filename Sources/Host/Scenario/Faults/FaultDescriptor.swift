/// The name of a fault, its parameters, its claims and its checks. It is declared beside the fault. The parser, the
/// schema, `explain` and the run read it.
public struct FaultDescriptor: Sendable {
    /// The form of a parameter's value in a scenario file.
    public enum ParameterType: Sendable {
        case text
        case integer(ClosedRange<Int>)
        /// `3`, `2.5`; with or without `%`.
        case percent
        /// `200ms`, `1.5s`, `2m`.
        case duration
        /// `8472` or `30000-32767`.
        case ports
        case choice([String])
        /// `all`, a node name, or a list of names.
        case nodes
        case flag
    }

    /// `security-group-rule`, `link-down`, …
    public let kind: String
    /// One sentence with `{parameter}` places that says what the fault will do.
    public let summary: String
    public let parameters: [any FaultParameterDeclaration]
    /// Whether it runs programs of the userland disk in nodes.
    public let needsUserland: Bool
    /// Reports what is wrong with a call although each parameter has its form. It is called when a file is read.
    public let check: @Sendable (inout FaultCheck) -> Void
    /// What a call takes for itself while it is in force, in a lab with nodes of these names. It needs no lab, so a
    /// file and a run agree about conflicts.
    public let claims: @Sendable (_ call: FaultCall, _ nodes: [String]) -> [Claim]

    /// `claims` has no default: a fault that claims nothing could be injected beside itself.
    public init(
        kind: String, summary: String, parameters: [any FaultParameterDeclaration], needsUserland: Bool = false,
        check: @escaping @Sendable (inout FaultCheck) -> Void = { _ in },
        claims: @escaping @Sendable (_ call: FaultCall, _ nodes: [String]) -> [Claim]
    ) {
        self.kind = kind
        self.summary = summary
        self.parameters = parameters
        self.needsUserland = needsUserland
        self.check = check
        self.claims = claims
    }
}
