import Foundation
import Matrix
import Readings
import RunEvents

/// What a run came to: `report.json`. Times in seconds, addresses dotted, keys as published in the report schema.
public struct RunReport: Codable, Sendable {
    public static let schema = "labrun.dev/report/v1alpha1"

    /// The scenario without the list of its steps, which `steps` and `stepsNotRun` tell.
    public struct Scenario: Codable, Sendable {
        public var name: String
        public var title: String
        public var file: String
        public var sha256: String
        public var labels: [String: String]
    }

    public var schema: String = RunReport.schema
    public var tool: RunHeader.Tool
    public var host: RunHeader.Host
    public var seed: UInt64
    public var scenario: Scenario
    /// nil when the run ended before its lab was described.
    public var lab: LabDescription?
    public var verdict: Verdict
    /// Why, in one sentence.
    public var message: String
    public var startedAt: Date
    public var durationSeconds: Double
    /// Seconds by phase; a phase that came once a step is summed up.
    public var phases: [String: Double]
    public var steps: [Step]
    /// Names of steps that were never started.
    public var stepsNotRun: [String]
    public var artifacts: [Artifact]
    /// What the lab could not do, keep or read, and did not hang the verdict on; each once, at most 100. Untrusted
    /// text.
    public var warnings: [String]
}

extension RunReport {
    public struct Step: Codable, Sendable {
        public var name: String
        public var title: String
        /// What was done, one sentence an action.
        public var actions: [String]
        public var verdict: Verdict
        /// Why the verdict is what it is, when the step's own parts do not say it; else nil.
        public var message: String?
        /// Set when the run ended inside the step.
        public var unfinished: Bool
        public var startedAt: Date
        /// Seconds from the run's start to the step's.
        public var offsetSeconds: Double
        public var durationSeconds: Double
        public var convergenceSeconds: Double?
        public var faults: [Fault]
        public var matrix: Matrix?
        public var health: [HealthRecord]
        /// How busy the host was during the step; nil when no round was measured.
        public var host: HostLoad?
        public var diagnosis: DiagnosisRecord?
        public var expectations: [ExpectationResult]
    }

    /// A fault as its step left it.
    public struct Fault: Codable, Sendable {
        public struct Transition: Codable, Sendable {
            /// Seconds since the run's start.
            public var at: Double
            public var state: FaultRecord.State
        }
        public var id: String
        public var kind: String
        public var targets: [String]
        public var state: FaultRecord.State
        /// Everything its oracle said, in order.
        public var evidence: [String]
        public var history: [Transition]
    }

    /// The matrix that the step's expectations were held against.
    public struct Matrix: Codable, Sendable {
        public var endpoints: [Endpoint]
        public var cells: [Cell]
        public var seconds: Double
        public var longestRoundTripMicros: Int
    }

    /// A file of the report folder.
    public struct Artifact: Codable, Sendable {
        /// Relative to the report folder.
        public var path: String
        public var kind: String
        /// nil when the file could not be read; `error` says why.
        public var bytes: Int?
        public var sha256: String?
        public var error: String?
    }
}

extension RunReport {
    /// The bytes of `report.json`, with a line feed at the end. Indented as long as a person may want to read it.
    public func json() throws -> Data {
        let cells = steps.reduce(0) { $0 + ($1.matrix?.cells.count ?? 0) }
        return try EventLine.encoder(pretty: cells <= 5_000).encode(self) + Data("\n".utf8)
    }

    public init(json: some DataProtocol) throws {
        self = try EventLine.decoder().decode(RunReport.self, from: Data(json))
        guard schema == RunReport.schema else {
            throw ReportError(
                code: .unreadable, subject: "report.json",
                message: "has the schema \(schema), this labrun reads \(RunReport.schema)")
        }
    }
}
