import ScenarioReading

/// Finds the lab profiles that scenario files name.
public struct LabProfileSource: Sendable {
    public enum Answer: Sendable {
        case profile(LabProfile)
        /// The profile's own file has these mistakes.
        case faulty([Problem])
        /// There is no profile of this name. These are the names that exist.
        case unknown(names: [String])
    }
    /// Looks up the `spec.lab` of a scenario, whose file is given as the user named it.
    public let find: @Sendable (_ reference: String, _ scenarioFile: String) -> Answer

    /// Finds the `images.yaml` that belongs to a scenario whose file does not name one; nil if there is none.
    public let images: @Sendable (_ scenarioFile: String) -> String?

    public init(
        images: @escaping @Sendable (_ scenarioFile: String) -> String? = { _ in nil },
        _ find: @escaping @Sendable (_ reference: String, _ scenarioFile: String) -> Answer
    ) {
        self.find = find
        self.images = images
    }
}

/// A change to the lab profile from the command line: `--set nodes.count=5`.
public struct Setting: Sendable, Hashable {
    public var path: String
    public var value: String
    /// The option that asked for it, by which mistakes are reported.
    public var option = "--set"

    public init(path: String, value: String, option: String = "--set") {
        self.path = path
        self.value = value
        self.option = option
    }

    /// The result is nil unless the text is `path=value`.
    public init?(_ text: String) {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else { return nil }
        path = String(text[..<equals])
        value = String(text[text.index(after: equals)...])
    }
}
