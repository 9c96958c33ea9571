import ScenarioReading
import Shapes

/// The file that `labrun scenario new` writes: a valid scenario with comments, to start from.
public enum ScenarioTemplate {
    /// - Parameter name: A DNS label, which is also the name of the file.
    /// - Returns: The text, or nil if the name is not a DNS label.
    public static func text(name: String) -> String? {
        guard TextRule.dnsLabel.accepts(name) else { return nil }
        return template.replacing("NAME", with: name)
    }

    private static let template = """
        # What a scenario file may say: docs/reference/scenario-format.md. Check it: labrun scenario validate NAME.yaml
        apiVersion: \(scenarioAPIVersion)
        kind: Scenario
        metadata:
          name: "NAME"
          title: One line that says what fails here, and why
          description: |
            What comes about, how it shows, and how it is mended.
        spec:
          # A lab profile that ships, or the path of a file beside this one.
          lab: eks-overlay
          # overrides:
          #   nodes: {count: 5, kernel: "6.12"}

          # Kubernetes manifests: pods and what makes them, services, policies; or {file: manifests.yaml}.
          workloads:
            - apiVersion: apps/v1
              kind: Deployment
              metadata: {name: web}
              spec:
                # One pod more than nodes: the first node has two.
                replicas: 4
                selector: {matchLabels: {app: web}}
                template:
                  metadata: {labels: {app: web}}
                  spec:
                    containers:
                      - {name: echo, ports: [{containerPort: 8080}]}

          # What is done, in order, and what must come true after it. Every measured cell needs a rule; later rules go
          # over earlier ones.
          timeline:
            - name: baseline
              title: Everything is reachable
              expect:
                within: 20s
                matrix:
                  - {from: {kind: pod}, to: {kind: pod}, outcome: open}
                  - {from: {kind: node}, to: {kind: node}, outcome: open}
                health: [{from: all, reachable: N/N}]
                diagnosis: {is: none}

            - name: broken
              title: node2's network interface loses its carrier
              inject:
                - {fault: link-down, id: cable, nodes: node2}
              expect:
                within: 15s
                matrix:
                  - {from: {kind: pod}, to: {kind: pod}, outcome: open}
                  - {from: {kind: node}, to: {kind: node}, outcome: open}
                  - {from: {nodes: node2}, to: {}, where: cross-node, outcome: [timeout, unreachable]}
                  - {from: {}, to: {nodes: node2}, where: cross-node, outcome: [timeout, unreachable]}

            - name: mended
              title: The carrier is back
              heal: cable
              expect:
                within: 20s
                matrix:
                  - {from: {kind: pod}, to: {kind: pod}, outcome: open}
                  - {from: {kind: node}, to: {kind: node}, outcome: open}
                health: [{from: all, reachable: N/N}]
                diagnosis: {is: none}

        """
}
