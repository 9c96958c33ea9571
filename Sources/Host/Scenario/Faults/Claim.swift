/// Something of a node that a fault takes for itself while it is in force. Two faults with a common claim conflict.
public struct Claim: Hashable, Sendable, CustomStringConvertible {
    public let node: String
    public let part: Part

    public init(_ part: Part, of node: String) {
        self.node = node
        self.part = part
    }

    /// `the agent of node1`
    public var description: String { part.words.replacing("{node}", with: node) }
}

extension Claim {
    /// A part of a node. Parts that several faults may want are listed below; a fault may declare one of its own.
    public struct Part: Hashable, Sendable {
        /// What a claim of the part means for the power of its node.
        public enum Power: Hashable, Sendable {
            /// The part is there whether or not the node runs.
            case independent
            /// The claim keeps the node from running.
            case taken
            /// Only a node that runs has the part.
            case needed
        }

        /// What the part is called, with `{node}` where the node's name goes.
        public let words: String
        public let power: Power
        /// Whether a file may claim the part of a node that does not run, to show that the run refuses it. The parser
        /// then warns.
        public let mayBeRefusedByRun: Bool

        public init(_ words: String, power: Power, mayBeRefusedByRun: Bool = false) {
            self.words = words
            self.power = power
            self.mayBeRefusedByRun = mayBeRefusedByRun
        }
    }
}

extension Claim.Part {
    public static let power = Self("the power of {node}", power: .taken)
    public static let agent = Self("the agent of {node}", power: .needed)
    public static let carrier = Self("the carrier of {node}'s eth0", power: .needed)
    public static let kubeProxy = Self("kube-proxy of {node}", power: .needed)

    /// The root queueing discipline of an interface in the node.
    public static func queueing(interface: String) -> Self {
        Self("the queueing discipline of {node}'s \(interface)", power: .needed, mayBeRefusedByRun: true)
    }

    /// A rule of a security group at the node's interfaces. The fabric has it, so the node need not run.
    public static func rule(group: String, name: String) -> Self {
        Self("security group rule \(group)/\(name) at {node}", power: .independent)
    }
}

/// The claims of all faults in force. The parser keeps one along the timeline of a file, and a run makes one from the
/// faults that it has injected, so both refuse the same faults in the same words.
public struct ClaimsInForce: Sendable {
    /// Why a fault cannot be injected beside those in force.
    public struct Conflict: Sendable, CustomStringConvertible {
        /// One sentence without a full stop that names the fault in force.
        public let description: String
        /// Whether a file may ask for it all the same, see `Claim.Part.mayBeRefusedByRun`.
        public let mayBeRefusedByRun: Bool
    }

    private var holders: [Claim: FaultCall] = [:]
    private var claims: [String: [Claim]] = [:]
    /// The claims that have to do with a node's power, by node. A node has few parts of that kind, however many faults
    /// there are.
    private var powerClaims: [String: [Claim]] = [:]

    public init() {}

    /// The first conflict of these claims with those in force.
    public func conflict(of wanted: [Claim]) -> Conflict? {
        wanted.lazy.compactMap { conflict(of: $0) }.first
    }

    private func conflict(of claim: Claim) -> Conflict? {
        if let holder = holders[claim] {
            return Conflict(
                description: "\(claim) is already held by \(words(holder)); heal it first", mayBeRefusedByRun: false)
        }
        func holder(_ power: Claim.Part.Power) -> FaultCall? {
            powerClaims[claim.node]?.first { $0.part.power == power }.flatMap { holders[$0] }
        }
        switch claim.part.power {
        case .independent: return nil
        case .taken:
            return holder(.needed).map {
                Conflict(
                    description: "\(claim.node) must run until \(words($0)) is healed", mayBeRefusedByRun: false)
            }
        case .needed:
            return holder(.taken).map {
                Conflict(
                    description: "\(claim.node) does not run because of \(words($0))",
                    mayBeRefusedByRun: claim.part.mayBeRefusedByRun)
            }
        }
    }

    private func words(_ holder: FaultCall) -> String {
        "fault \"\(holder.id)\" of line \(holder.location.line)"
    }

    /// Notes that a fault in force holds these claims. Ask for conflicts first.
    public mutating func hold(_ taken: [Claim], by call: FaultCall) {
        for claim in taken {
            holders[claim] = call
            if claim.part.power != .independent { powerClaims[claim.node, default: []].append(claim) }
        }
        claims[call.id, default: []] += taken
    }

    /// Gives back what a fault that was healed held.
    public mutating func release(_ id: String) {
        for claim in claims.removeValue(forKey: id) ?? [] {
            holders[claim] = nil
            powerClaims[claim.node]?.removeAll { $0 == claim }
        }
    }
}
