/// A fault as a scenario file asks for it. The parser has checked `kind` and `parameters` against the `FaultDescriptor`
/// of that kind.
public struct FaultCall: Codable, Sendable {
    /// The place of the call in its file. Lines and columns count from 1.
    public struct Location: Codable, Sendable, Hashable, CustomStringConvertible {
        public var file: String
        public var line: Int
        public var column: Int
        public init(file: String, line: Int, column: Int) {
            self.file = file
            self.line = line
            self.column = column
        }
        /// The text `file:line:column`.
        public var description: String { "\(file):\(line):\(column)" }
    }

    /// The id by which `heal` names the fault, unique among the faults in force.
    public var id: String
    /// The kind, such as `link-down` or `netem`.
    public var kind: String
    /// The values of the parameters that were given, by their names. Read them with the subscript.
    public var parameters: [String: ParameterValue]
    public var location: Location

    public init(id: String, kind: String, parameters: [String: ParameterValue], location: Location) {
        self.id = id
        self.kind = kind
        self.parameters = parameters
        self.location = location
    }

    /// The value of a parameter; nil when it was not given.
    public subscript<Value>(_ parameter: FaultParameter<Value>) -> Value? {
        parameters[parameter.name].flatMap(parameter.read)
    }

    /// The names of the nodes that the parameter `nodes` gives; all nodes of the lab when it was not given.
    public func targets(among nodes: [String]) -> [String] {
        self[.nodes()] ?? nodes
    }

    /// Claims one part of each node that the fault is done to.
    public func claims(_ part: Claim.Part, among nodes: [String]) -> [Claim] {
        targets(among: nodes).map { Claim(part, of: $0) }
    }
}

/// The value of a fault's parameter, of one of the forms of `FaultDescriptor.ParameterType`.
public enum ParameterValue: Codable, Sendable, Hashable {
    case text(String)
    case integer(Int)
    /// Percent, 0…100.
    case number(Double)
    case flag(Bool)
    /// Seconds.
    case duration(Double)
    case ports(ClosedRange<UInt16>)
    case texts([String])
}
