import Expectations
import ScenarioReading

/// Reads scenario and lab files from bytes. It reads no other files but manifests that `file:` names, and an `images.yaml`
/// with the binaries that it names.
public struct ScenarioParser: Sendable {
    public struct Parsed: Sendable {
        /// The scenario, or nil if there is an error.
        public let scenario: ScenarioFile?
        /// The lab with the overrides of the file and of the command line, or nil if there is an error.
        public let profile: LabProfile?
        /// Errors and warnings, sorted by place.
        public let problems: [Problem]
    }

    /// Further problems are only counted.
    public static let problemLimit = ShapeChecker.problemLimit

    public let faults: [FaultDescriptor]
    public let diagnoses: [String]
    public let profiles: LabProfileSource
    let expectations: [any Expectation.Type]

    /// - Parameters:
    ///   - faults: The faults there are.
    ///   - diagnoses: Ids of the root causes that exist. If there are none, any id is accepted.
    ///   - profiles: The labs there are.
    public init(faults: [FaultDescriptor], diagnoses: [String] = [], profiles: LabProfileSource) {
        self.init(
            faults: faults, diagnoses: diagnoses, profiles: profiles, expectations: ExpectationCatalogue.kinds)
    }

    /// - Parameter expectations: The kinds of expectations there are.
    package init(
        faults: [FaultDescriptor], diagnoses: [String] = [], profiles: LabProfileSource,
        expectations: [any Expectation.Type]
    ) {
        self.expectations = expectations
        self.faults = faults
        self.diagnoses = diagnoses
        self.profiles = profiles
    }

    /// Reads a scenario, or reports all its mistakes.
    /// - Parameters:
    ///   - file: The file's name in messages. Manifests are looked for beside it.
    ///   - settings: The overrides of the command line. Their mistakes are reported with the option in place
    ///     of the file.
    public func parse(_ bytes: [UInt8], file: String, settings: [Setting] = []) -> Parsed {
        var reader = ScenarioReader(
            file: file, faults: faults, expectations: expectations, diagnoses: diagnoses, profiles: profiles,
            settings: settings,
            manifest: { SourceFile.manifest($0, beside: file) })
        let scenario = reader.read(bytes)
        var found = reader.problems + reader.checker.problems
        if !found.contains(where: { $0.severity == .error }) { found += reader.checker.conclusions }
        let problems = Self.limited(found, file: file)
        let valid = !problems.contains { $0.severity == .error }
        return Parsed(
            scenario: valid ? scenario : nil, profile: valid ? reader.profile : nil, problems: problems)
    }

    /// Reads a lab profile, or reports all its mistakes.
    public static func parseLab(_ bytes: [UInt8], file: String) -> (profile: LabProfile?, problems: [Problem]) {
        let (profile, problems) = LabProfileReader.read(bytes, file: file)
        return (profile, limited(problems, file: file))
    }

    /// Reports every mistake of a scenario or lab file, whichever its `kind` is.
    public func check(_ bytes: [UInt8], file: String, settings: [Setting] = []) -> [Problem] {
        if YAMLReading(bytes, file: file).documents.first?["kind"]?.text == "Lab" {
            return Self.parseLab(bytes, file: file).problems
        }
        return parse(bytes, file: file, settings: settings).problems
    }

    private static func limited(_ problems: [Problem], file: String) -> [Problem] {
        // A mistake in a node that is aliased or read twice is reported once.
        let sorted = Array(Set(problems)).sorted()
        guard sorted.count > problemLimit else { return sorted }
        // However many warnings there are, they hide no mistake, and are none.
        let errors = sorted.filter { $0.severity == .error }
        let shown = (errors + sorted.filter { $0.severity != .error }).prefix(problemLimit)
        guard let last = shown.last else { return sorted }
        let rest = sorted.count - problemLimit
        let hidesErrors = errors.count > problemLimit
        let word = hidesErrors ? "mistake" : "warning"
        let more = Problem(
            severity: hidesErrors ? .error : .warning, file: last.file, line: last.line, column: last.column,
            message: "and \(rest) more \(rest == 1 ? word : word + "s")")
        return shown.sorted() + [more]
    }
}
