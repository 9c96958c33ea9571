import Digest
import Files
import Foundation
import LabProfiles
import ScenarioReading
import ShippedScenarios

/// A scenario that can be run.
public struct LoadedScenario: Sendable {
    public let scenario: ScenarioFile
    /// The lab profile, with the overrides of the file and of the command line.
    public let profile: LabProfile
    /// The path as it was given, or `NAME.yaml` for a shipped scenario.
    public let file: String
    public let bytes: [UInt8]
    /// The SHA-256 of the file's bytes, in hexadecimal.
    public let sha256: String
    public let warnings: [Problem]
}

/// Finds scenarios and labs in files and folders, and those that are embedded.
public enum ScenarioLoader {
    /// Reads and checks a scenario.
    /// - Parameters:
    ///   - reference: A path, or the name of a shipped scenario. A file goes before a shipped one of the same name, a
    ///     folder does not.
    ///   - faults: The faults there are.
    /// - Throws: `ProblemReport` with every mistake.
    public static func load(
        _ reference: String, faults: [FaultDescriptor], diagnoses: [String] = [], settings: [Setting] = []
    ) throws(ProblemReport) -> LoadedScenario {
        let source = try source(of: reference)
        let (bytes, file) = (source.bytes, source.file)
        let parser = ScenarioParser(faults: faults, diagnoses: diagnoses, profiles: source.profiles)
        let parsed = parser.parse(bytes, file: file, settings: settings)
        guard let scenario = parsed.scenario, let profile = parsed.profile else {
            throw ProblemReport(parsed.problems)
        }
        return LoadedScenario(
            scenario: scenario, profile: profile, file: file, bytes: bytes, sha256: SHA256Digest.hex(of: bytes),
            warnings: parsed.problems)
    }

    /// A scenario's or lab's text, and where it is from.
    public struct Source: Sendable {
        public let bytes: [UInt8]
        /// What its file is called in messages.
        public let file: String
        let isShipped: Bool

        /// Finds the labs that it may name. A shipped scenario lies beside no file, so images stand for what they do
        /// everywhere, in whichever folder it is run.
        public var profiles: LabProfileSource {
            isShipped ? LabProfileSource(labProfiles.find) : labProfiles
        }
    }

    /// Finds a scenario or lab.
    /// - Throws: `ProblemReport` when there is none, with the nearest shipped name.
    public static func source(of reference: String) throws(ProblemReport) -> Source {
        // A link that leads nowhere is a file too: the shipped scenario of its name is not what was meant.
        if !reference.contains("/"), !RegularFile.isNamed(reference) || isFolder(reference) {
            let name = reference.hasSuffix(".yaml") ? String(reference.dropLast(5)) : reference
            if let bytes = ShippedScenarios.bytes(of: name) {
                return Source(bytes: bytes, file: "\(name).yaml", isShipped: true)
            }
            let message = "there is neither a file nor a shipped scenario \"\(reference)\""
            let nearest = NearestName.of(name, among: ShippedScenarios.names)
            throw ProblemReport([
                Problem(file: reference, line: 1, column: 1, message: message, suggestion: nearest)
            ])
        }
        switch SourceFile.read(reference) {
        case .success(let bytes): return Source(bytes: bytes, file: reference, isShipped: false)
        case .failure(let error):
            throw ProblemReport([Problem(file: reference, line: 1, column: 1, message: error.message)])
        }
    }

    private static func isFolder(_ path: String) -> Bool {
        var isFolder: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }

    /// Returns the paths, with every folder replaced by its `*.yaml` and `*.yml` files, sorted by name. The name of a
    /// shipped scenario stays, where a folder of that name, such as one of a report, has no such file.
    public static func files(in references: [String]) throws(ProblemReport) -> [String] {
        var files: [String] = []
        for reference in references {
            guard isFolder(reference) else {
                files.append(reference)
                continue
            }
            guard let names = try? FileManager.default.contentsOfDirectory(atPath: reference) else {
                throw ProblemReport([
                    Problem(file: reference, line: 1, column: 1, message: "the folder cannot be read")
                ])
            }
            let base = reference.hasSuffix("/") ? reference : reference + "/"
            let found = names.filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }.sorted()
            let isShipped = found.isEmpty && ShippedScenarios.bytes(of: reference) != nil
            files += isShipped ? [reference] : found.map { base + $0 }
        }
        return files
    }

    /// Finds labs. A reference that ends in `.yaml` is a path, relative to the scenario's folder. Any other is a name:
    /// `lab/NAME.yaml` or `lab/profiles/NAME.yaml` beside the scenario, else the embedded lab. What images stand for is in
    /// `lab/images.yaml` beside the scenario, if there is such a file.
    public static let labProfiles = LabProfileSource(
        images: { scenarioFile in
            guard scenarioFile.hasSuffix(".yaml") || scenarioFile.hasSuffix(".yml") else { return nil }
            let path = SourceFile.folder(of: scenarioFile) + "lab/images.yaml"
            return RegularFile.isNamed(path) ? path : nil
        }
    ) { reference, scenarioFile in
        let folder = SourceFile.folder(of: scenarioFile)
        if reference.hasSuffix(".yaml") || reference.hasSuffix(".yml") {
            let path = reference.hasPrefix("/") ? reference : folder + reference
            return read(SourceFile.read(path), path, reference)
        }
        if !reference.contains("/") {
            for path in ["\(folder)lab/\(reference).yaml", "\(folder)lab/profiles/\(reference).yaml"]
            where RegularFile.isNamed(path) {
                return read(SourceFile.read(path), path, reference)
            }
        }
        guard let bytes = LabProfiles.bytes(of: reference) else { return .unknown(names: LabProfiles.names) }
        return read(.success(bytes), "\(reference).yaml", reference)
    }

    private static func read(
        _ source: Result<[UInt8], ScenarioReader.ManifestError>, _ path: String, _ reference: String
    ) -> LabProfileSource.Answer {
        switch source {
        case .failure(let error):
            return .faulty([Problem(file: path, line: 1, column: 1, message: error.message)])
        case .success(let bytes):
            let (profile, problems) = ScenarioParser.parseLab(bytes, file: path)
            return profile.map { .profile($0) } ?? .faulty(problems)
        }
    }
}
