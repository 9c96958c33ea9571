import ArgumentParser
import LinuxKernel
import Runner

/// `labrun lab`: what runs now.
public struct LabCommand: AsyncParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "lab", abstract: "List the labs that run, and be a client of a lab's control plane.",
        subcommands: [LabList.self, LabKubectl.self])

    public init() {}
}

/// A lab of this user that runs, with what it tells of itself.
struct FoundLab {
    let host: LabJoin.Host
    let record: LabRecord

    var id: String { "\(host.processIdentifier)" }

    /// The labs that run. One that is beginning or ending, and so tells nothing, is not among them.
    static func all() -> [FoundLab] {
        LabJoin.hosts().compactMap { host in (try? LabRecord(of: host)).map { FoundLab(host: host, record: $0) } }
    }

    /// The lab that a command means.
    ///
    /// - Parameters:
    ///   - name: An id of `labrun lab list`, or the name of a scenario or a profile; nil for the only one.
    /// - Throws: `ValidationError`, which says which labs there are.
    static func named(_ name: String?, among labs: [FoundLab]) throws -> FoundLab {
        let fitting = labs.filter { lab in
            name.map { [lab.id, lab.record.scenario, lab.record.profile].contains($0) } ?? true
        }
        guard let found = fitting.first else {
            throw ValidationError(
                labs.isEmpty
                    ? "no lab runs; `labrun scenario NAME --keep` keeps one after its last step"
                    : "no lab \(name ?? "") runs; there are: " + labs.map(\.words).joined(separator: ", "))
        }
        guard fitting.count == 1 else {
            throw ValidationError(
                "several labs run; name one by its id: " + fitting.map(\.words).joined(separator: ", "))
        }
        return found
    }

    private var words: String { "\(id) (\(record.scenario))" }
}
