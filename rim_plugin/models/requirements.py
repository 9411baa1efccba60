"""What a training of RIM cannot do without, and what its options name in vain; told before the first iteration."""

from basicsr.utils import get_root_logger

EXAMPLES = {'pixel': 'MSELoss', 'distill': 'DistillationLoss', 'residual': 'ResidualDistillationLoss'}
ASSISTANT_LOSSES = {'sum': ('residual', 'embedding'), 'own': ('distill', 'embedding')}  # by assistant_target


class TrainingRequirements:
    """What RIMModel asks of its options, once its networks, losses and phases are there; ValueErrors name the option."""

    def micro_batches(self):
        """``train: accumulate``, which has to divide the batch."""
        count = self.opt['train'].get('accumulate', 1)
        batch = self.opt.get('datasets', {}).get('train', {}).get('batch_size_per_gpu', count)
        if type(count) is not int or count < 1 or batch % count:
            raise ValueError(f'train.accumulate is {count!r}; it has to divide the batch of {batch}')
        return count

    def check_phases(self):
        """What a phase cannot do without."""
        needs = {
            'g': ('network_g', ('pixel',)),
            's': ('network_r', ('distill', 'embedding', 'identity')),
            'a': ('network_r', ASSISTANT_LOSSES[self.opt['train'].get('assistant_target', 'sum')]),
        }
        for part, (network, losses) in needs.items():
            phase = self.phases.training(part)
            if phase is None:
                continue
            if network not in self.opt:
                raise ValueError(f'{network} is missing: phase {phase} trains it')
            if part == 'a' and self.bare['r'].assistant is None:
                if phase == 'joint':
                    continue  # which trains the others
                raise ValueError(f'network_r.assistant is none: phase {phase} trains it')
            if not any(name in self.losses for name in losses):
                raise ValueError(
                    f'train.{losses[0]}_opt is missing: phase {phase} needs it; add e.g. {{type: '
                    f'{EXAMPLES[losses[0]]}}}'
                )
        self._check_head()
        self._warn_of_idle_losses()

    def _check_head(self):
        """An own head learns from a loss on the embedding alone; untrained, it would project at random."""
        known = self.opt['train'].get('start_from_teacher') or self.opt['path'].get('pretrain_network_r')
        if (
            self.phases.training('s')
            and self.bare['r'].own_head
            and not known
            and not any(name in self.losses for name in ('embedding', 'contrast', 'identity'))
        ):
            raise ValueError(
                'network_r.head is own, and nothing trains it: add train.embedding_opt, e.g. {type: '
                'DistillationLoss, target: embedding, distance: cosine}, or set head: teacher'
            )

    def _warn_of_idle_losses(self):
        idle = (
            []
            if 'd' in self.bare
            else [name for name in ('coarse', 'landmark', 'parsing', 'domain') if name in self.losses]
        )
        if idle:
            get_root_logger().warning(
                ', '.join(f'train.{name}_opt' for name in idle) + ': off, since they are for a TriPathGenerator.'
            )
