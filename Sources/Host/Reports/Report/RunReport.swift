import Foundation
import Matrix
import Readings
import RunEvents

/// The result of a run, `report.json`. Times are in seconds, addresses are dotted, and the keys are those of the
/// published report schema.
public struct RunReport: Codable, Sendable {
    public static let schema = "labrun.dev/report/v1alpha1"

    /// The scenario without the list of its steps, which are in `steps` and `stepsNotRun`.
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
    /// It is nil if the run ended before its lab was described.
    public var lab: LabDescription?
    public var verdict: Verdict
    /// The reason for the verdict in one sentence.
    public var message: String
    public var startedAt: Date
    public var durationSeconds: Double
    /// Seconds by phase. A phase that every step has is summed up.
    public var phases: [String: Double]
    public var steps: [Step]
    /// Names of steps that were never started.
    public var stepsNotRun: [String]
    public var artifacts: [Artifact]
    /// What the lab could not do, keep or read, and what did not change the verdict. Each is listed once, and there are
    /// at most 100. The text is untrusted.
    public var warnings: [String]
}

extension RunReport {
    public struct Step: Codable, Sendable {
        public var name: String
        public var title: String
        /// What was done, in one sentence for each action.
        public var actions: [String]
        public var verdict: Verdict
        /// The reason for the verdict if the step's own parts do not give it, else nil.
        public var message: String?
        /// Whether the run ended inside the step.
        public var unfinished: Bool
        public var startedAt: Date
        /// Seconds from the start of the run to the start of the step.
        public var offsetSeconds: Double
        public var durationSeconds: Double
        public var convergenceSeconds: Double?
        public var faults: [Fault]
        /// The nodes that joined the lab in this step; nil if none did.
        public var joins: [NodeJoinRecord]?
        /// The objects that this step gave to the API server, once for each action; nil if it gave none.
        public var applied: [AppliedRecord]?
        public var matrix: Matrix?
        public var health: [HealthRecord]
        /// How busy the host was during the step. It is nil if no round was measured.
        public var host: HostLoad?
        public var diagnosis: DiagnosisRecord?
        public var expectations: [ExpectationResult]
    }

    /// A fault as its step left it.
    public struct Fault: Codable, Sendable {
        public struct Transition: Codable, Sendable {
            /// Seconds since the start of the run.
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
        /// The path, relative to the report folder.
        public var path: String
        public var kind: String
        /// It is nil if the file could not be read. `error` then gives the reason.
        public var bytes: Int?
        public var sha256: String?
        public var error: String?
    }
}

extension RunReport {
    /// The bytes of `report.json`, with a line feed at the end. The JSON is indented unless it is too long for a person
    /// to read.
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
