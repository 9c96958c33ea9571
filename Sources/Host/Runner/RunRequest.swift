import Foundation
import Scenario

/// Everything that a lab host needs to run one scenario. It is the first line on its command channel.
public struct RunRequest: Codable, Sendable {
    public struct Image: Codable, Sendable {
        public var kernelPath: String
        public var initrdPath: String
        public var release: String
        /// The kernel parameters that this kernel needs under the accelerator in use.
        public var parameters: [String]
        /// The read-only userland disk, or nil if no node has one.
        public var userlandPath: String?
        public init(
            kernelPath: String, initrdPath: String, release: String, parameters: [String], userlandPath: String? = nil
        ) {
            self.userlandPath = userlandPath
            self.parameters = parameters
            self.kernelPath = kernelPath
            self.initrdPath = initrdPath
            self.release = release
        }
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
}

/// What the outer process may say during a run, one command on a line.
public enum RunCommand: String, Sendable {
    /// End in order: heal nothing more, tear down, report.
    case stop
    /// Continue after a pause.
    case resume
}
