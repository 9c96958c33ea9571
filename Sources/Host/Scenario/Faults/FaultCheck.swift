import ScenarioReading

/// The check of one call in a file: what the call says, which lab it is for, and the mistakes found so far.
public struct FaultCheck {
    struct Mistake {
        let place: Place
        let message: String
        let expected: String?
        let suggestion: String?
    }

    public let call: FaultCall
    /// The lab with every override; nil when the file names a lab that is not known.
    public let profile: LabProfile?
    /// The places of the keys that the call has, whether or not their values can be read.
    private let places: [String: Place]
    private let place: Place
    private(set) var mistakes: [Mistake] = []

    init(_ call: FaultCall, _ value: YAMLValue, profile: LabProfile?) {
        self.call = call
        self.profile = profile
        place = value.place
        places = Dictionary(value.entries.map { ($0.key, $0.value.place) }) { first, _ in first }
    }

    /// Whether the file gives the parameter, even with a value that cannot be read. Its form is then reported
    /// elsewhere.
    public func isGiven(_ parameter: some FaultParameterDeclaration) -> Bool { places[parameter.name] != nil }

    /// Reports a mistake at the value of the first of the keys that the call has, and at the call itself when it has
    /// none of them.
    /// - Parameters:
    ///   - keys: Names of parameters, or `id`.
    ///   - message: What is wrong, in one sentence without a full stop.
    ///   - expected: What would be right.
    ///   - suggestion: The name that was most likely meant.
    public mutating func report(
        at keys: String..., message: String, expected: String? = nil, suggestion: String? = nil
    ) {
        mistakes.append(
            Mistake(
                place: keys.lazy.compactMap { [places] in places[$0] }.first ?? place, message: message,
                expected: expected, suggestion: suggestion))
    }

    /// Names for `expected`: `one of a, b, c`.
    public static func oneOf(_ names: [String]) -> String { names.oneOf }
}
