// Command argocd is every Argo CD program the lab runs, in one binary: the first argument picks one.
//
// The repo server has git ask for a password by running `argocd` with ARGOCD_BINARY_NAME in the environment.
package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	controller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	applicationset "github.com/argoproj/argo-cd/v3/cmd/argocd-applicationset-controller/commands"
	askpass "github.com/argoproj/argo-cd/v3/cmd/argocd-git-ask-pass/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
)

func main() {
	programs := map[string]func() *cobra.Command{
		"argocd-application-controller":    controller.NewCommand,
		"argocd-repo-server":               reposerver.NewCommand,
		"argocd-applicationset-controller": applicationset.NewCommand,
		"argocd-git-ask-pass":              askpass.NewCommand,
	}
	name := os.Getenv("ARGOCD_BINARY_NAME")
	if name == "" && len(os.Args) > 1 {
		name = os.Args[1]
		os.Args = os.Args[1:]
	}
	if programs[name] == nil {
		fmt.Fprintln(os.Stderr, "usage: argocd argocd-application-controller|argocd-repo-server|argocd-applicationset-controller …")
		os.Exit(2)
	}
	if err := programs[name]().Execute(); err != nil {
		os.Exit(1)
	}
}
