import AgentAPI
import LinuxKernel

#if canImport(Glibc)
    import Glibc
#endif

/// The command line of `datapathd`.
public enum DatapathCommand {
    public static let usage = """
        usage: datapathd run [--config FILE]           start the agent
               datapathd status [-o json | --brief]    the agent's state; with --brief whether it is ready
               datapathd health [-o json] [--deadline MILLISECONDS]
                                                       probe all nodes and their health endpoints
               datapathd endpoint list [-o json]
               datapathd identity list [-o json]
               datapathd fqdn cache list [-o json]     names that DNS answered to pods
               datapathd bpf ipcache list [-o json]
               datapathd bpf nat list [-o json]
               datapathd bpf policy list [-o json]
               datapathd bpf metrics list [-o json]
               datapathd bpf ct list [-o json]         connections
               datapathd bpf lb list [-o json]         frontends and backends in the kernel
               datapathd service list [-o json]
               datapathd metrics                       the agent's figures in Prometheus' text format
               datapathd monitor [-o json]             trace and drop events as they happen
               datapathd call REQUEST                  send one line of JSON to the agent, print its answer
        Commands that ask a running agent take --socket PATH (/run/labrun/datapath.sock).
        Called as labrun-cni it is the CNI plugin.

        """

    /// The request that a command line stands for.
    enum Request: Equatable {
        case run(config: String)
        case status(Query)
        case health(Query, deadlineMillis: Int)
        case endpoints(Query)
        case identities(Query)
        case ipcache(Query)
        case nat(Query)
        case policies(Query)
        case names(Query)
        case metrics(Query)
        case connections(Query)
        case services(Query)
        case loadBalancing(Query)
        case prometheus(Query)
        case monitor(Query)
        case call(Query, line: String)
        case help
    }

    struct Query: Equatable {
        var json = false
        var isBrief = false
        var socket = CNIPlugin.defaultSocket
    }

    struct UsageError: Error, Equatable { let message: String }

    static func parse(_ arguments: [String]) throws(UsageError) -> Request {
        var words: [String] = []
        var query = Query()
        var config = "/run/labrun/datapathd.json"
        var deadline = 1000
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            func value() throws(UsageError) -> String {
                guard let value = rest.popFirst() else { throw UsageError(message: "\(argument) needs a value") }
                return value
            }
            switch argument {
            case "-o", "--output":
                guard try value() == "json" else { throw UsageError(message: "the only output format is json") }
                query.json = true
            case "--brief": query.isBrief = true
            case "--socket": query.socket = try value()
            case "--config": config = try value()
            case "--deadline":
                guard let number = Int(try value()), (1...60_000).contains(number) else {
                    throw UsageError(message: "--deadline takes 1 to 60000 milliseconds")
                }
                deadline = number
            case "-h", "--help", "help": return .help
            default:
                if argument.hasPrefix("-") { throw UsageError(message: "unknown option \(argument)") }
                words.append(argument)
            }
        }
        switch words {
        case ["run"]: return .run(config: config)
        case ["status"]: return .status(query)
        case ["health"]: return .health(query, deadlineMillis: deadline)
        case ["endpoint", "list"]: return .endpoints(query)
        case ["identity", "list"]: return .identities(query)
        case ["fqdn", "cache", "list"]: return .names(query)
        case ["bpf", "policy", "list"]: return .policies(query)
        case ["bpf", "ipcache", "list"]: return .ipcache(query)
        case ["bpf", "nat", "list"]: return .nat(query)
        case ["bpf", "metrics", "list"]: return .metrics(query)
        case ["service", "list"]: return .services(query)
        case ["bpf", "lb", "list"]: return .loadBalancing(query)
        case ["bpf", "ct", "list"]: return .connections(query)
        case ["metrics"]: return .prometheus(query)
        case ["monitor"]: return .monitor(query)
        case _ where words.count == 2 && words[0] == "call": return .call(query, line: words[1])
        case []: throw UsageError(message: "a command is missing")
        default: throw UsageError(message: "no command \(words.joined(separator: " "))")
        }
    }

    /// Carries out a command line.
    ///
    /// - Returns: The exit status: 0, 1 for a failure, 2 for a wrong command line.
    public static func run(_ arguments: [String]) -> Int32 {
        do {
            switch try parse(arguments) {
            case .run(let config): return AgentProcess.run(configPath: config)
            case .help: print(usage, to: 1)
            case .status(let query): try AgentQueries.status(query)
            case .health(let query, let deadline): try AgentQueries.health(query, deadlineMillis: deadline)
            case .endpoints(let query): try AgentQueries.endpoints(query)
            case .identities(let query): try AgentQueries.identities(query)
            case .names(let query): try AgentQueries.names(query)
            case .policies(let query): try AgentQueries.policies(query)
            case .ipcache(let query): try AgentQueries.ipcache(query)
            case .nat(let query): try AgentQueries.nat(query)
            case .metrics(let query): try AgentQueries.metrics(query)
            case .connections(let query): try AgentQueries.connections(query)
            case .services(let query): try AgentQueries.services(query)
            case .loadBalancing(let query): try AgentQueries.loadBalancing(query)
            case .prometheus(let query): try AgentQueries.prometheus(query)
            case .monitor(let query): try AgentQueries.monitor(query)
            case .call(let query, let line): try AgentQueries.call(query, line: line)
            }
            return 0
        } catch let error as UsageError {
            print("datapathd: \(error.message)\n\(usage)", to: 2)
            return 2
        } catch let error as SystemError where error.call == "connect" {
            print("datapathd: no agent answers at \(error.subject): \(error)\n", to: 2)
            return 1
        } catch {
            print("datapathd: \(error)\n", to: 2)
            return 1
        }
    }

    /// Prints without buffering. A reader that has gone is no failure.
    static func print(_ text: String, to descriptor: Int32) {
        try? FileDescriptor(owning: dup(descriptor)).writeAll(text.utf8)
    }
}
