import ScenarioReading
import Shapes

/// A parameter as the parser, the schema and `explain` see it: without the Swift type of its values.
public protocol FaultParameterDeclaration: Sendable {
    /// The key in a scenario file.
    var name: String { get }
    var type: FaultDescriptor.ParameterType { get }
    var isRequired: Bool { get }
    /// What the value means, for the schema and the reference.
    var help: String { get }
    /// What holds when it is not given, in the words of the summary. Nil for nothing, and for all nodes.
    var preset: String? { get }
}

/// A parameter of a fault. A fault declares each of its parameters once, lists them in its descriptor, and reads their
/// values with `call[parameter]`, in the descriptor's checks and claims as well as at run time.
public struct FaultParameter<Value: Sendable>: FaultParameterDeclaration {
    public let name: String
    public let type: FaultDescriptor.ParameterType
    public let isRequired: Bool
    public let help: String
    public var preset: String?
    let read: @Sendable (ParameterValue) -> Value?
}

extension FaultParameter<String> {
    /// Any text that is not empty.
    public static func text(
        _ name: String, required: Bool = false, preset: String? = nil, help: String
    ) -> Self {
        Self(name: name, type: .text, isRequired: required, help: help, preset: preset) {
            if case .text(let value) = $0 { value } else { nil }
        }
    }
}

extension FaultParameter where Value: CaseIterable & RawRepresentable<String> {
    /// The raw value of one of the cases.
    public static func choice(_ name: String, required: Bool = false, help: String) -> Self {
        Self(name: name, type: .choice(Value.allCases.map(\.rawValue)), isRequired: required, help: help) {
            if case .text(let value) = $0 { Value(rawValue: value) } else { nil }
        }
    }
}

extension FaultParameter<Int> {
    public static func integer(
        _ name: String, _ range: ClosedRange<Int>, required: Bool = false, help: String
    ) -> Self {
        Self(name: name, type: .integer(range), isRequired: required, help: help) {
            if case .integer(let value) = $0 { value } else { nil }
        }
    }
}

extension FaultParameter<Double> {
    /// A share, read in percent, 0…100.
    public static func percent(_ name: String, required: Bool = false, help: String) -> Self {
        Self(name: name, type: .percent, isRequired: required, help: help) {
            if case .number(let value) = $0 { value } else { nil }
        }
    }

    /// A time, read in seconds.
    public static func duration(_ name: String, required: Bool = false, help: String) -> Self {
        Self(name: name, type: .duration, isRequired: required, help: help) {
            if case .duration(let value) = $0 { value } else { nil }
        }
    }
}

extension FaultParameter<ClosedRange<UInt16>> {
    /// One port or a range of ports.
    public static func ports(_ name: String, required: Bool = false, help: String) -> Self {
        Self(name: name, type: .ports, isRequired: required, help: help) {
            if case .ports(let value) = $0 { value } else { nil }
        }
    }
}

extension FaultParameter<Bool> {
    public static func flag(_ name: String, required: Bool = false, help: String) -> Self {
        Self(name: name, type: .flag, isRequired: required, help: help) {
            if case .flag(let value) = $0 { value } else { nil }
        }
    }
}

extension FaultParameter<[String]> {
    /// The parameter `nodes`, which says on which nodes a fault acts. `FaultCall.targets(among:)` reads it.
    public static func nodes(required: Bool = false, help: String = "") -> Self {
        Self(name: "nodes", type: .nodes, isRequired: required, help: help) {
            if case .texts(let names) = $0 { names } else { nil }
        }
    }
}

extension FaultDescriptor.ParameterType {
    /// What the parser and the schema accept.
    var shape: Shape {
        switch self {
        case .text: .text(.nonEmpty)
        case .integer(let range): .integer(range)
        case .percent: .percent
        case .duration: .duration(0.0...600)
        case .ports: .ports
        case .choice(let names): .choice(names)
        case .nodes: .nodes(orNone: false)
        case .flag: .flag
        }
    }
}
