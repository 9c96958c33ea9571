import ArgumentParser
import Foundation
import LinuxKernel
import Runner

/// `labrun lab kubectl [LAB] -- ARGS`: runs kubectl as the administrator of a lab that runs.
struct LabKubectl: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kubectl", abstract: "Run kubectl as the administrator of a lab that runs.",
        discussion: """
            What follows -- are kubectl's own arguments. It runs beside the servers, so that its requests do not pass \
            the network under test, and ends with the lab.
            """)

    @Argument(help: "An id of `labrun lab list`, a scenario's or a lab profile's name; the only one when left out.")
    var lab: String?

    @Option(help: "The kubectl to run, instead of the one beside the control plane's programs.")
    var kubectl: String?

    @Argument(parsing: .postTerminator, help: "Arguments of kubectl, after --.")
    var arguments: [String] = []

    func run() throws {
        let labs = FoundLab.all().filter { $0.record.controlPlane != nil }
        let found = try FoundLab.named(lab, among: labs)
        guard let servers = found.record.controlPlane else { return }
        guard let program = kubectl.map({ Self.absolute($0) }) ?? servers.kubectl ?? Self.onThePath("kubectl") else {
            throw ValidationError(
                "the control plane's folder has no kubectl and there is none on the PATH; give one with --kubectl, or "
                    + "install it: apt-get install kubernetes-client")
        }
        do {
            try LabJoin.become(
                // Its cache is the lab's, too: another lab has the same address and may serve something else.
                [program, "--kubeconfig", servers.kubeconfig, "--cache-dir", "\(found.host.directory)/kubectl"]
                    + arguments, in: found.host, network: servers.network)
        } catch {
            StandardError.write("labrun: \(error)")
            throw ExitCode(3)
        }
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }

    private static func onThePath(_ name: String) -> String? {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map { "\($0)/\(name)" }
            .first { $0.hasPrefix("/") && FileManager.default.isExecutableFile(atPath: $0) }
    }
}
