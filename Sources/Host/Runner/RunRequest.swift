public import ControlPlane
import Foundation
import JSON
import RunEvents
import Scenario

/// Everything that a lab host needs to run one scenario, as one line on its command channel. The first request boots
/// the lab. A later one is for the same lab (`lab`), and comes only if the request before it handed the lab on.
public struct RunRequest: Codable, Sendable {
    public struct Image: Codable, Sendable {
        public var kernelPath: String
        public var initrdPath: String
        public var release: String
        /// The kernel parameters that this kernel needs under the accelerator in use.
        public var parameters: [String]
        /// The read-only userland disk, or nil if no node has one.
        public var userlandPath: String?
        /// The read-only disk with a kubelet, or nil if no node has one.
        public var kubeletDiskPath: String?
        public init(
            kernelPath: String, initrdPath: String, release: String, parameters: [String], userlandPath: String? = nil,
            kubeletDiskPath: String? = nil
        ) {
            self.userlandPath = userlandPath
            self.kubeletDiskPath = kubeletDiskPath
            self.parameters = parameters
            self.kernelPath = kernelPath
            self.initrdPath = initrdPath
            self.release = release
        }
    }

    enum CodingKeys: String, CodingKey, CaseIterable {
        case scenario, profile, image, accelerator, reportDirectory, capabilitiesCache, seed, timeout, pauseOnFail, keep
        case handsOn, notKept, controlPlane
    }

    public var scenario: ScenarioFile
    public var profile: LabProfile
    public var image: Image
    /// `kvm` or `tcg`
    public var accelerator: String
    /// The absolute path of the run's own folder.
    public var reportDirectory: String
    /// The folder that keeps QEMU's capabilities between labs.
    public var capabilitiesCache: String
    public var seed: UInt64
    /// The seconds that the whole run may take.
    public var timeout: Double
    public var pauseOnFail: Bool
    public var keep: Bool
    /// Whether the lab stays for another request if this run passes and leaves it clean.
    public var handsOn = false
    /// The lab of the scenario before, if it could have served this one and was not kept.
    public var notKept: LabDescription.NotKept?
    /// The programs of the lab's control plane, if the profile has one.
    public var controlPlane: ControlPlanePrograms?

    public init(
        scenario: ScenarioFile, profile: LabProfile, image: Image, accelerator: String, reportDirectory: String,
        capabilitiesCache: String, seed: UInt64, timeout: Double, pauseOnFail: Bool, keep: Bool
    ) {
        self.scenario = scenario
        self.profile = profile
        self.image = image
        self.accelerator = accelerator
        self.reportDirectory = reportDirectory
        self.capabilitiesCache = capabilitiesCache
        self.seed = seed
        self.timeout = timeout
        self.pauseOnFail = pauseOnFail
        self.keep = keep
    }

    /// What belongs to the run alone. Machines, fabric and agents are made from everything else, so that what is added
    /// to a request one day tells labs apart until it is listed here.
    private static let ofTheRun: Set<CodingKeys> = [
        .scenario, .reportDirectory, .seed, .timeout, .pauseOnFail, .keep, .handsOn, .notKept,
    ]

    /// What the lab is made from. Requests with equal values can be carried out in the same lab.
    ///
    /// - Throws: The encoder's error, for a number that JSON does not have.
    public func lab() throws -> JSONValue {
        let all = try JSONDecoder().decode([String: JSONValue].self, from: try JSONEncoder().encode(self))
        return .object(all.filter { key, _ in CodingKeys(rawValue: key).map { !Self.ofTheRun.contains($0) } ?? true })
    }
}

/// What the outer process may say besides requests, one command on a line.
public enum RunCommand: String, Sendable {
    /// End in order: heal nothing more, tear down, report.
    case stop
    /// Continue after a pause.
    case resume
    /// There is no further request: tear the lab down that was handed on.
    case end
}
